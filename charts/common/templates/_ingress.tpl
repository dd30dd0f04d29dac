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
  - path: {{ include "common.quote" .path }}
    pathType: {{ include "common.quote" (.pathType | default "Prefix") }}
    backend:
      service:
        name: {{ include "common.quote" .service }}
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
  ingressClassName: {{ include "common.quote" . }}
  {{- end }}
  {{- with .ingress.tls }}
  tls:
    {{- include "common.yaml" . | nindent 4 }}
  {{- end }}
  rules:
    {{- $paths := include "common.ingress.paths" . }}
    {{- range .ingress.hosts }}
    - host: {{ include "common.quote" . }}
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
    {{- include "common.yaml" .ingress.parentRefs | nindent 4 }}
  {{- with .ingress.hosts }}
  hostnames:
    {{- include "common.yaml" . | nindent 4 }}
  {{- end }}
  rules:
    {{- range .routes }}
    - matches:
        - path:
            type: {{ include "common.quote" (eq (.pathType | default "Prefix") "Exact" | ternary "Exact" "PathPrefix") }}
            value: {{ include "common.quote" .path }}
      backendRefs:
        - name: {{ include "common.quote" .service }}
          port: {{ int .port }}
    {{- end }}
{{- end -}}
