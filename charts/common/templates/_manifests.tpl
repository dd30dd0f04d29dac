{{/*
All objects of a component: what the one template of its chart includes. What the values do not ask for renders nothing and is left out.
A parent chart that renders the Deployment itself, with values that only the parent knows, sets deployedByParent.
*/}}
{{- define "common.manifests" -}}
{{- range list
      "common.serviceAccount"
      "common.configMap"
      "common.secret"
      "common.service"
      "common.deployment.own"
      "common.hpa"
      "common.pdb"
      "common.networkPolicy"
      "common.ingress.own"
      "common.migration"
      "common.test" }}
{{- with include . $ }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end -}}
