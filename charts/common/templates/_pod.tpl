{{/*
Parts that every pod of a component shares: Deployment, migration Job and test pod differ in what they run, not in how they are held.
*/}}

{{- define "common.image" -}}
{{- printf "%s:%s" .Values.image.repository .Values.image.tag -}}
{{- end -}}

{{/* Pod fields under the restricted Pod Security Standard. dict: ctx, serviceAccount. */}}
{{- define "common.podBase" -}}
{{- $v := .ctx.Values -}}
serviceAccountName: {{ include "common.quote" .serviceAccount }}
automountServiceAccountToken: false
{{- /* The variables Kubernetes makes up from Service names could overwrite the component's own, for example <NAME>_PORT. */}}
enableServiceLinks: false
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- include "common.yaml" . | nindent 2 }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ include "common.quote" . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 $v.securityContext.runAsUser }}
  runAsGroup: {{ int64 $v.securityContext.runAsGroup }}
  fsGroup: {{ int64 $v.securityContext.fsGroup }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $v.nodeSelector }}
nodeSelector:
  {{- include "common.yaml" . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- include "common.yaml" . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- include "common.yaml" . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "common.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: {{ include "common.yaml" .Values.securityContext.readOnlyRootFilesystem }}
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/*
Environment. What extraEnv names wins over what the chart sets: the same name twice is refused by server-side apply.
APP_DIGEST is the deprecated name of APP_IMAGE_TAG.
*/}}
{{- define "common.env" -}}
{{- $v := .Values -}}
{{- $own := dict
      "PORT" ($v.containerPort | int | toString)
      "APP_VERSION" (include "common.appVersion" .)
      "APP_IMAGE_TAG" $v.image.tag
      "APP_DIGEST" $v.image.tag -}}
{{- with $v.backendUrl -}}
{{- $_ := set $own "BACKEND_URL" . -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- $_ := unset $own .name -}}
{{- end -}}
{{- range $name, $value := $own }}
- name: {{ include "common.quote" $name }}
  value: {{ include "common.quote" $value }}
{{- end }}
{{- with $v.extraEnv }}
{{ include "common.yaml" . }}
{{- end }}
{{- end -}}

{{/* Sources of whole environments; later ones win, so a Secret overrides the ConfigMap. dict: ctx, configMap, secret. */}}
{{- define "common.envFrom" -}}
{{- if .ctx.Values.config }}
- configMapRef:
    name: {{ include "common.quote" .configMap }}
{{- end }}
{{- if .secret }}
- secretRef:
    name: {{ include "common.quote" .secret }}
{{- end }}
{{- with .ctx.Values.extraEnvFrom }}
{{ include "common.yaml" . }}
{{- end }}
{{- end -}}

{{/* /tmp and writableDirs are the only places a component can write to; both vanish with the pod. */}}
{{- define "common.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- range $i, $path := .Values.writableDirs }}
- name: {{ include "common.quote" (printf "writable-%d" $i) }}
  mountPath: {{ include "common.quote" $path }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ include "common.yaml" . }}
{{- end }}
{{- end -}}

{{- define "common.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ include "common.quote" .Values.tmpSizeLimit }}
{{- range $i, $path := .Values.writableDirs }}
- name: {{ include "common.quote" (printf "writable-%d" $i) }}
  emptyDir:
    sizeLimit: {{ include "common.quote" $.Values.tmpSizeLimit }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ include "common.yaml" . }}
{{- end }}
{{- end -}}

{{/* One probe. A probe with a path asks HTTP, one without only opens the port. */}}
{{- define "common.probe" -}}
{{- if .path -}}
httpGet:
  path: {{ include "common.quote" .path }}
  port: http
{{- else -}}
tcpSocket:
  port: http
{{- end }}
{{- range $key, $value := omit . "path" "enabled" }}
{{ $key }}: {{ int $value }}
{{- end }}
{{- end -}}

{{- define "common.probes" -}}
{{- range $kind := list "startup" "readiness" "liveness" }}
{{- with index $.Values.probes $kind }}
{{- if .enabled }}
{{ $kind }}Probe:
  {{- include "common.probe" . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "common.topologySpread" -}}
{{- if .Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range .Values.topologySpread.keys }}
  - maxSkew: 1
    topologyKey: {{ include "common.quote" . }}
    whenUnsatisfiable: {{ include "common.quote" $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "common.selectorLabels" (dict "ctx" $) | nindent 8 }}
    {{- /* Each revision is spread by itself: pods of the old one, about to go, must not push new ones together. */}}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* A change of configuration changes the pods, which otherwise would keep the old environment. As JSON. */}}
{{- define "common.podAnnotations" -}}
{{- $annotations := dict -}}
{{- with .Values.config -}}
{{- $_ := set $annotations "checksum/config" (toJson . | sha256sum) -}}
{{- end -}}
{{- if .Values.secretChecksum -}}
{{- $_ := set $annotations "checksum/secret" .Values.secretChecksum -}}
{{- else if .Values.secret -}}
{{- $_ := set $annotations "checksum/secret" (toJson .Values.secret | sha256sum) -}}
{{- end -}}
{{- merge $annotations (.Values.podAnnotations | default dict) | toJson -}}
{{- end -}}
