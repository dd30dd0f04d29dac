{{/*
Names and labels. Every template takes the chart's root context unless it says otherwise, so an umbrella can ask for the
names of a subchart with .Subcharts.<name>.
*/}}

{{/* What the component is called: its app.kubernetes.io/name. */}}
{{- define "common.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of the component's objects: 50 characters at most, which leaves room for "-migration" and "-headless". A longer one ends after 41
characters, and a hyphen and the first 8 digits of its SHA-256 follow, so that no two releases have objects of one name.
A release that an earlier version of the chart has installed keeps the first 50 characters: a database under a new name starts empty.
*/}}
{{- define "common.fullname" -}}
{{- $name := include "common.name" . -}}
{{- $full := .Release.Name -}}
{{- if not (contains $name .Release.Name) -}}
{{- $full = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- $full = .Values.fullnameOverride | default $full -}}
{{- if le (len $full) 50 -}}
{{- $full -}}
{{- else if eq (include "common.fullname.cut" (dict "ctx" . "name" ($full | trunc 50 | trimSuffix "-"))) "true" -}}
{{- $full | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" ($full | trunc 41 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}

{{/* "true" when this release has a workload by a name that was only cut. dict: ctx, name. `lookup` finds nothing without a cluster. */}}
{{- define "common.fullname.cut" -}}
{{- if .ctx.Release.IsUpgrade -}}
{{- range $kind := list "Deployment" "StatefulSet" -}}
{{- $found := lookup "apps/v1" $kind $.ctx.Release.Namespace $.name | default dict -}}
{{- if eq (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $found) $.ctx.Release.Name -}}
true
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Service's name: fixed by service.name, because other components are told to look for it. */}}
{{- define "common.service.name" -}}
{{- .Values.service.name | default (include "common.fullname" .) -}}
{{- end -}}

{{- define "common.serviceAccount.name" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "common.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end -}}

{{- define "common.configMap.name" -}}
{{- printf "%s-config" (include "common.fullname" .) -}}
{{- end -}}

{{/* The Secret whose keys become environment variables: one that exists, or the chart's own; empty when there is none. */}}
{{- define "common.secret.name" -}}
{{- if .Values.existingSecret -}}
{{- .Values.existingSecret -}}
{{- else if .Values.secret -}}
{{- printf "%s-secrets" (include "common.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Hook Jobs run when the release's own ServiceAccount, ConfigMap and Secret may not exist yet: they have copies by this name. */}}
{{- define "common.migration.name" -}}
{{- printf "%s-migration" (include "common.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap that remembers what has been migrated. */}}
{{- define "common.migration.memory" -}}
{{- printf "%s-migrated" (include "common.fullname" .) -}}
{{- end -}}

{{- define "common.appVersion" -}}
{{- .Values.appVersion | default .Chart.AppVersion -}}
{{- end -}}

{{/* What selects a workload's own pods. dict: ctx, component. Never changes over a release's life: selectors are immutable. */}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ include "common.quote" (include "common.name" .ctx) }}
app.kubernetes.io/instance: {{ include "common.quote" .ctx.Release.Name }}
app.kubernetes.io/component: {{ include "common.quote" (.component | default (include "common.component" .ctx)) }}
{{- end -}}

{{/* The component label of the chart's workload; pods of hooks and tests carry another one, so that no Service selects them. */}}
{{- define "common.component" -}}
{{- .Values.component | default (include "common.name" .) -}}
{{- end -}}

{{/* The labels of every pod. dict: ctx, component. */}}
{{- define "common.podLabels" -}}
{{- $global := .ctx.Values.global | default dict -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/version: {{ include "common.quote" (include "common.appVersion" .ctx | replace "+" "_" | trunc 63 | trimAll "-_.") }}
app.kubernetes.io/managed-by: {{ include "common.quote" .ctx.Release.Service }}
app.kubernetes.io/part-of: {{ include "common.quote" (.ctx.Values.partOf | default $global.partOf | default .ctx.Release.Name) }}
{{- end -}}

{{/* The labels of every object. The chart's version stays out of pods: a new version of a chart alone restarts nothing. */}}
{{- define "common.labels" -}}
{{ include "common.podLabels" . }}
helm.sh/chart: {{ include "common.quote" (printf "%s-%s" .ctx.Chart.Name .ctx.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- end -}}

{{/* metadata of an object. dict: ctx, name, component, annotations (a map). */}}
{{- define "common.metadata" -}}
name: {{ include "common.quote" (.name | default (include "common.fullname" .ctx)) }}
namespace: {{ include "common.quote" .ctx.Release.Namespace }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- include "common.yaml" . | nindent 2 }}
{{- end }}
{{- end -}}
