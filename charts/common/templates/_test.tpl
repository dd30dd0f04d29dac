{{/*
`helm test`: a pod of the component's own image (nothing else needs pulling) that asks the component through its Service.
TEST_URL is what to request; APP_IMAGE_TAG is what the response should say it is, and APP_DIGEST its deprecated name.
*/}}
{{- define "common.test" -}}
{{- if and .Values.test.enabled .Values.test.command -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "common.quote" (printf "%s-test" (include "common.fullname" .)) }}
  namespace: {{ include "common.quote" .Release.Namespace }}
  labels:
    {{- with .Values.podLabels }}
    {{- include "common.yaml" . | nindent 4 }}
    {{- end }}
    {{- include "common.labels" (dict "ctx" . "component" "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- include "common.podBase" (dict "ctx" . "serviceAccount" (include "common.serviceAccount.name" .)) | nindent 2 }}
  containers:
    - name: test
      image: {{ include "common.quote" (include "common.image" .) }}
      imagePullPolicy: {{ include "common.quote" .Values.image.pullPolicy }}
      command:
        {{- include "common.yaml" .Values.test.command | nindent 8 }}
      env:
        - name: TEST_URL
          value: {{ include "common.quote" (printf "http://%s:%d%s" (include "common.service.name" .) (int .Values.service.port) .Values.test.path) }}
        - name: APP_IMAGE_TAG
          value: {{ include "common.quote" .Values.image.tag }}
        - name: APP_DIGEST
          value: {{ include "common.quote" .Values.image.tag }}
      resources:
        {{- include "common.yaml" .Values.resources | nindent 8 }}
      securityContext:
        {{- include "common.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        {{- include "common.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "common.volumes" . | nindent 4 }}
{{- end -}}
{{- end -}}
