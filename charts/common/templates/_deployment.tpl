{{/* The Deployment of a chart by itself: nothing where a parent chart renders it, with values that only the parent knows. */}}
{{- define "common.deployment.own" -}}
{{- if not .Values.deployedByParent -}}
{{- include "common.deployment" . -}}
{{- end -}}
{{- end -}}

{{- define "common.deployment" -}}
{{- include "common.validate" . -}}
{{- $name := include "common.fullname" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.metadata" (dict "ctx" .) | nindent 2 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ int .Values.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ int .Values.revisionHistoryLimit }}
  progressDeadlineSeconds: {{ int .Values.progressDeadlineSeconds }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ int .Values.strategy.maxUnavailable }}
      maxSurge: {{ int .Values.strategy.maxSurge }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" (dict "ctx" .) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with .Values.podLabels }}
        {{- include "common.yaml" . | nindent 8 }}
        {{- end }}
        {{- include "common.podLabels" (dict "ctx" .) | nindent 8 }}
      {{- with include "common.podAnnotations" . | fromJson }}
      annotations:
        {{- include "common.yaml" . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "common.podBase" (dict "ctx" . "serviceAccount" (include "common.serviceAccount.name" .)) | nindent 6 }}
      terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
      {{- with include "common.topologySpread" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ include "common.quote" (include "common.name" .) }}
          image: {{ include "common.quote" (include "common.image" .) }}
          imagePullPolicy: {{ include "common.quote" .Values.image.pullPolicy }}
          {{- with .Values.command }}
          command:
            {{- include "common.yaml" . | nindent 12 }}
          {{- end }}
          {{- with .Values.args }}
          args:
            {{- include "common.yaml" . | nindent 12 }}
          {{- end }}
          ports:
            - name: http
              containerPort: {{ int .Values.containerPort }}
              protocol: TCP
          env:
            {{- include "common.env" . | trim | nindent 12 }}
          {{- with include "common.envFrom" (dict "ctx" . "configMap" (include "common.configMap.name" .) "secret" (include "common.secret.name" .)) | trim }}
          envFrom:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- include "common.yaml" .Values.resources | nindent 12 }}
          securityContext:
            {{- include "common.containerSecurityContext" . | nindent 12 }}
          {{- with include "common.probes" . | trim }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- if .Values.preStopSleepSeconds }}
          lifecycle:
            {{- /* Time for every proxy to learn that this pod is going, before it stops listening. Needs no shell in the image. */}}
            preStop:
              sleep:
                seconds: {{ int .Values.preStopSleepSeconds }}
          {{- end }}
          volumeMounts:
            {{- include "common.volumeMounts" . | nindent 12 }}
      volumes:
        {{- include "common.volumes" . | nindent 8 }}
{{- end -}}
