{{- define "common.hpa" -}}
{{- $hpa := .Values.autoscaling -}}
{{- if $hpa.enabled -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "common.metadata" (dict "ctx" .) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "common.quote" (include "common.fullname" .) }}
  minReplicas: {{ int $hpa.minReplicas }}
  maxReplicas: {{ int $hpa.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ int $hpa.targetCPUUtilizationPercentage }}
    {{- with $hpa.targetMemoryUtilizationPercentage }}
    - type: Resource
      resource:
        name: memory
        target:
          type: Utilization
          averageUtilization: {{ int . }}
    {{- end }}
  {{- with $hpa.behavior }}
  behavior:
    {{- include "common.yaml" . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Only where there is a pod to spare: a budget over a single pod would block every drain of its node. */}}
{{- define "common.pdb" -}}
{{- $least := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas .Values.replicas -}}
{{- if and .Values.pdb.enabled (gt (int $least) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" (dict "ctx" .) | nindent 2 }}
spec:
  maxUnavailable: {{ include "common.yaml" .Values.pdb.maxUnavailable }}
  {{- /* A pod that is not ready serves nobody; it must not keep a node from being drained. */}}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "common.selectorLabels" (dict "ctx" .) | nindent 6 }}
{{- end -}}
{{- end -}}
