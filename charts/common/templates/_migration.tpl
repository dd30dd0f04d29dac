{{/*
Database migrations as a Helm hook. A pre-install hook runs before anything else of the release exists, so the Job brings what it needs:
copies of the ServiceAccount, the ConfigMap and the chart-made Secret, hooks of a lower weight that go away when the Job has succeeded.
A Job that failed stays, with its pods, for its logs; the next attempt removes it.
With migration.sourceDigest, a ConfigMap remembers what has been migrated, and an upgrade that would migrate nothing has no Job to wait for.
*/}}
{{- define "common.migration" -}}
{{- if eq (include "common.migration.due" .) "true" -}}
{{- $name := include "common.migration.name" . -}}
{{- $before := include "common.migration.annotations" (dict "migration" .Values.migration "weight" (sub (int .Values.migration.weight) 5)) | fromJson -}}
{{- $annotations := include "common.migration.annotations" (dict "migration" .Values.migration "weight" (int .Values.migration.weight)) | fromJson -}}
{{- $secret := .Values.existingSecret | default (.Values.secret | empty | ternary "" $name) -}}
{{- $copy := dict "ctx" . "name" $name "component" "migration" "annotations" $before -}}
{{- if not .Values.migration.command -}}
{{- fail (printf "%s: migration.enabled is true but migration.command is empty. Give the command, for example [alembic, upgrade, head], or set migration.enabled to false." (include "common.name" .)) -}}
{{- end -}}
{{ include "common.serviceAccount.body" $copy }}
{{- if .Values.config }}
---
{{ include "common.configMap.body" $copy }}
{{- end }}
{{- if eq $secret $name }}
---
{{ include "common.secret.body" $copy }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "common.metadata" (dict "ctx" . "name" $name "component" "migration" "annotations" $annotations) | nindent 2 }}
spec:
  backoffLimit: {{ int .Values.migration.backoffLimit }}
  activeDeadlineSeconds: {{ int .Values.migration.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- with .Values.podLabels }}
        {{- include "common.yaml" . | nindent 8 }}
        {{- end }}
        {{- include "common.podLabels" (dict "ctx" . "component" "migration") | nindent 8 }}
      {{- with .Values.migration.podAnnotations }}
      annotations:
        {{- include "common.yaml" . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      {{- include "common.podBase" (dict "ctx" . "serviceAccount" $name) | nindent 6 }}
      containers:
        - name: migration
          image: {{ include "common.quote" (include "common.image" .) }}
          imagePullPolicy: {{ include "common.quote" .Values.image.pullPolicy }}
          command:
            {{- include "common.yaml" .Values.migration.command | nindent 12 }}
          env:
            {{- include "common.env" . | trim | nindent 12 }}
          {{- with include "common.envFrom" (dict "ctx" . "configMap" $name "secret" $secret) | trim }}
          envFrom:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- include "common.yaml" (.Values.migration.resources | default .Values.resources) | nindent 12 }}
          securityContext:
            {{- include "common.containerSecurityContext" . | nindent 12 }}
          volumeMounts:
            {{- include "common.volumeMounts" . | nindent 12 }}
      volumes:
        {{- include "common.volumes" . | nindent 8 }}
{{- if include "common.migration.sourceDigest" . }}
---
{{- /* The last of the hooks: it comes when the Job has succeeded. */}}
{{- $after := dict "helm.sh/hook" "post-install,post-upgrade" "helm.sh/hook-weight" (add (int .Values.migration.weight) 5 | toString) "helm.sh/hook-delete-policy" "before-hook-creation" }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" (dict "ctx" . "name" (include "common.migration.memory" .) "component" "migration" "annotations" $after) | nindent 2 }}
data:
  digest: {{ include "common.quote" (include "common.migration.state" .) }}
{{- end }}
{{- end -}}
{{- end -}}

{{/*
"true" when the migrations have to run: for each installation, whatever an earlier one has left, and without a digest; for an upgrade when
they are others than those that ran last. `lookup` finds nothing without a cluster, so that `helm template` shows the Job.
*/}}
{{- define "common.migration.due" -}}
{{- if .Values.migration.enabled -}}
{{- $memory := dict -}}
{{- if and .Release.IsUpgrade (include "common.migration.sourceDigest" .) -}}
{{- $memory = lookup "v1" "ConfigMap" .Release.Namespace (include "common.migration.memory" .) | default dict -}}
{{- end -}}
{{- ne (dig "data" "digest" "" $memory) (include "common.migration.state" .) -}}
{{- end -}}
{{- end -}}

{{/* migration.digest is its deprecated name. */}}
{{- define "common.migration.sourceDigest" -}}
{{- .Values.migration.sourceDigest | default .Values.migration.digest -}}
{{- end -}}

{{/* What decides how the database looks afterwards: the migrations, the command, and what names the database. */}}
{{- define "common.migration.state" -}}
{{- $annotations := "" -}}
{{- with include "common.podAnnotations" . | fromJson -}}
{{- /* As text, because a digest of earlier versions holds it so: another one would run the migrations again. */ -}}
{{- $annotations = toYaml . -}}
{{- end -}}
{{- list (include "common.migration.sourceDigest" .) .Values.migration.command .Values.existingSecret .Values.extraEnv .Values.extraEnvFrom $annotations | toJson | sha256sum -}}
{{- end -}}

{{/* As JSON. dict: migration (the values), weight. Without a database inside the release the migration runs before anything is changed. */}}
{{- define "common.migration.annotations" -}}
{{- dict
      "helm.sh/hook" (.migration.hooks | default "pre-install,pre-upgrade")
      "helm.sh/hook-weight" (toString .weight)
      "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" | toJson -}}
{{- end -}}
