{{- define "common.service" -}}
{{- $service := .Values.service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" (dict "ctx" . "name" (include "common.service.name" .) "annotations" $service.annotations) | nindent 2 }}
spec:
  type: {{ include "common.quote" $service.type }}
  selector:
    {{- include "common.selectorLabels" (dict "ctx" .) | nindent 4 }}
  {{- if ne $service.type "ClusterIP" }}
  {{- with $service.externalTrafficPolicy }}
  externalTrafficPolicy: {{ include "common.quote" . }}
  {{- end }}
  {{- end }}
  {{- if eq $service.type "LoadBalancer" }}
  {{- with $service.loadBalancerClass }}
  loadBalancerClass: {{ include "common.quote" . }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- include "common.yaml" . | nindent 4 }}
  {{- end }}
  {{- end }}
  ports:
    - name: http
      port: {{ int $service.port }}
      targetPort: http
      protocol: TCP
      {{- with $service.nodePort }}
      nodePort: {{ int . }}
      {{- end }}
{{- end -}}
