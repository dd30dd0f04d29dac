{{/*
The frontend is told the chart's own default of backend.service: Helm cannot pass one subchart's values to another one. A Service that
is called otherwise must therefore be named to the frontend as well, which is better said now than found out by its visitors.
*/}}
{{- define "todo-app.validate.backendUrl" -}}
{{- $service := .Subcharts.backend.Values.service -}}
{{- $actual := printf "http://%s:%d" (include "common.service.name" .Subcharts.backend) (int $service.port) -}}
{{- $told := include "common.backendUrl" .Subcharts.frontend -}}
{{- if and (not .Values.frontend.backendUrl) (ne $told $actual) -}}
{{- fail (printf "todo-app: the backend's Service is %s, but the frontend would ask %s. Set frontend.backendUrl to %s." $actual $told $actual) -}}
{{- end -}}
{{- end -}}
