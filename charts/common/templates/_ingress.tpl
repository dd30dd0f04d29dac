{{/*
The way in from outside the cluster.
common.ingress takes a dict: ctx, ingress (the values), routes (a list of path, pathType, service, port).
It renders an Ingress or a Gateway API HTTPRoute, or nothing, by ingress.kind.
*/}}
{{- define "common.ingress" -}}
{{- if eq .ingress.kind "ingress" -}}
{{- include "common.ingress.ingress" . -}}
{{- else if eq .ingress.kind "httproute" -}}
{{- include "common.ingress.httproute" . -}}
{{- end -}}
{{- end -}}

{{/* The same for a chart with one component: every path leads to its own Service. */}}
{{- define "common.ingress.own" -}}
{{- $routes := list -}}
{{- range .Values.ingress.paths -}}
{{- $routes = append $routes (merge (dict "service" (include "common.service.name" $) "port" $.Values.service.port) .) -}}
{{- end -}}
{{- include "common.ingress" (dict "ctx" . "ingress" .Values.ingress "routes" $routes) -}}
{{- end -}}

{{- define "common.ingress.paths" -}}
paths:
  {{- range .routes }}
  - path: {{ .path }}
    pathType: {{ .pathType | default "Prefix" }}
    backend:
      service:
        name: {{ .service }}
        port:
          number: {{ int .port }}
  {{- end }}
{{- end -}}

{{- define "common.ingress.ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "common.metadata" (dict "ctx" .ctx "component" .component "annotations" .ingress.annotations) | nindent 2 }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- $paths := include "common.ingress.paths" . }}
    {{- range .ingress.hosts }}
    - host: {{ . | quote }}
      http:
        {{- $paths | nindent 8 }}
    {{- else }}
    - http:
        {{- $paths | nindent 8 }}
    {{- end }}
{{- end -}}

{{- define "common.ingress.httproute" -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "common.metadata" (dict "ctx" .ctx "component" .component "annotations" .ingress.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .ingress.parentRefs | nindent 4 }}
  {{- with .ingress.hosts }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range .routes }}
    - matches:
        - path:
            type: {{ eq (.pathType | default "Prefix") "Exact" | ternary "Exact" "PathPrefix" }}
            value: {{ .path }}
      backendRefs:
        - name: {{ .service }}
          port: {{ int .port }}
    {{- end }}
{{- end -}}
