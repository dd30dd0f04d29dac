{{/* What to do next, as commands that can be pasted. */}}
{{- define "common.notes" -}}
{{- $ns := .Release.Namespace -}}
{{- $service := include "common.service.name" . -}}
{{ include "common.name" . }} {{ .Values.image.tag }} is being rolled out as release {{ .Release.Name }} in namespace {{ $ns }}.

Watch it:
  kubectl --namespace {{ $ns }} rollout status deployment/{{ include "common.fullname" . }}
{{- if and .Values.test.enabled .Values.test.command }}
Test it once it is there:
  helm test {{ .Release.Name }} --namespace {{ $ns }} --logs
{{- end }}
{{ include "common.notes.address" (dict "ctx" . "ingress" .Values.ingress) }}
{{- if .Values.migration.digest }}
WARNING: the value migration.digest is deprecated. Use migration.sourceDigest.
{{- end }}
{{- end -}}

{{/* dict: ctx (whose Service leads in when there is no Ingress), ingress. */}}
{{- define "common.notes.address" -}}
{{- $ns := .ctx.Release.Namespace -}}
{{- $service := include "common.service.name" .ctx -}}
Reach it:
{{- if eq .ingress.kind "ingress" }}
{{- range .ingress.hosts }}
  http{{ if $.ingress.tls }}s{{ end }}://{{ . }}/
{{- else }}
  kubectl --namespace {{ $ns }} get ingress
{{- end }}
{{- else if eq .ingress.kind "httproute" }}
  kubectl --namespace {{ $ns }} get httproute
{{- else if eq .ctx.Values.service.type "NodePort" }}
  http://<address of any node>:{{ .ctx.Values.service.nodePort | default (printf "$(kubectl --namespace %s get service %s -o jsonpath='{.spec.ports[0].nodePort}')" $ns $service) }}/
  (the addresses: kubectl get nodes -o wide)
{{- else if eq .ctx.Values.service.type "LoadBalancer" }}
  kubectl --namespace {{ $ns }} get service {{ $service }} --watch
  (on Minikube the address appears while `minikube tunnel` runs)
{{- else }}
  kubectl --namespace {{ $ns }} port-forward service/{{ $service }} {{ int .ctx.Values.service.port }}
{{- end }}
{{- end -}}
