{{/* ConfigMap, Secret and ServiceAccount. dict for the three bodies: ctx, name, annotations, component; the wrappers take the root context. */}}

{{- define "common.configMap.body" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" . | nindent 2 }}
data:
  {{- range $key, $value := .ctx.Values.config }}
  {{ include "common.quote" $key }}: {{ include "common.quote" $value }}
  {{- end }}
{{- end -}}

{{- define "common.secret.body" -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "common.metadata" . | nindent 2 }}
type: Opaque
stringData:
  {{- range $key, $value := .ctx.Values.secret }}
  {{ include "common.quote" $key }}: {{ include "common.quote" $value }}
  {{- end }}
{{- end -}}

{{- define "common.serviceAccount.body" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "common.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{- define "common.configMap" -}}
{{- if .Values.config -}}
{{- include "common.configMap.body" (dict "ctx" . "name" (include "common.configMap.name" .)) -}}
{{- end -}}
{{- end -}}

{{- define "common.secret" -}}
{{- if and .Values.secret (not .Values.existingSecret) -}}
{{- include "common.secret.body" (dict "ctx" . "name" (include "common.secret.name" .)) -}}
{{- end -}}
{{- end -}}

{{- define "common.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "common.serviceAccount.body" (dict "ctx" . "name" (include "common.serviceAccount.name" .) "annotations" .Values.serviceAccount.annotations) -}}
{{- end -}}
{{- end -}}
