{{/*
Default deny both ways for every pod of the component (its migration and test pods too), and the ways it needs.
*/}}
{{- define "common.networkPolicy" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- $own := dict "app.kubernetes.io/name" (include "common.name" .) "app.kubernetes.io/instance" .Release.Name -}}
{{- $port := int .Values.containerPort -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" (dict "ctx" .) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- toYaml $own | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if ne .Values.service.type "ClusterIP" }}
    {{- /* The Service is open to the world outside the cluster, whose addresses nobody knows. */}}
    - ports:
        - port: {{ $port }}
          protocol: TCP
    {{- else }}
    - from:
        - podSelector:
            matchLabels:
              {{- toYaml $own | nindent 14 }}
        {{- with $policy.ingressNamespaces }}
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- toYaml . | nindent 18 }}
        {{- end }}
        {{- with $policy.ingressFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - port: {{ $port }}
          protocol: TCP
    {{- end }}
    {{- with $policy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "common.networkPolicy.dns" . | nindent 4 }}
    - to:
        - podSelector:
            matchLabels:
              {{- toYaml $own | nindent 14 }}
      ports:
        - port: {{ $port }}
          protocol: TCP
    {{- with $policy.egressTo }}
    - to:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- if $policy.database.enabled }}
    - ports:
        - port: {{ int $policy.database.port }}
          protocol: TCP
      {{- with $policy.database.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if $policy.externalHttps }}
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            {{- /* Not the cluster's and the site's own networks, and not the clouds' metadata service, which hands out credentials. */}}
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
      ports:
        - port: 443
          protocol: TCP
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* Names are asked of the cluster's DNS pods, or of the node-local cache at its fixed address. */}}
{{- define "common.networkPolicy.dns" -}}
- to:
    - namespaceSelector: {}
      podSelector:
        matchExpressions:
          - key: k8s-app
            operator: In
            values: [kube-dns, node-local-dns]
    - ipBlock:
        cidr: 169.254.20.10/32
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
