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
      {{- include "common.yaml" $own | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if ne .Values.service.type "ClusterIP" }}
    {{- /* The Service is open to the world outside the cluster, whose addresses nobody knows. */}}
    - ports:
        - port: {{ int $port }}
          protocol: TCP
    {{- else }}
    - from:
        - podSelector:
            matchLabels:
              {{- include "common.yaml" $own | nindent 14 }}
        {{- with $policy.ingressNamespaces }}
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- include "common.yaml" . | nindent 18 }}
        {{- end }}
        {{- with $policy.ingressFrom }}
        {{- include "common.yaml" . | nindent 8 }}
        {{- end }}
      ports:
        - port: {{ int $port }}
          protocol: TCP
    {{- end }}
    {{- with $policy.extraIngress }}
    {{- include "common.yaml" . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "common.networkPolicy.dns" . | nindent 4 }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "common.yaml" $own | nindent 14 }}
      ports:
        - port: {{ int $port }}
          protocol: TCP
    {{- with $policy.egressTo }}
    - to:
        {{- include "common.yaml" . | nindent 8 }}
    {{- end }}
    {{- if $policy.database.enabled }}
    - ports:
        - port: {{ int $policy.database.port }}
          protocol: TCP
      {{- with $policy.database.to }}
      to:
        {{- include "common.yaml" . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if $policy.externalHttps }}
    - to:
        {{- include "common.networkPolicy.public" . | nindent 8 }}
      ports:
        - port: 443
          protocol: TCP
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- include "common.yaml" . | nindent 4 }}
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

{{/*
Public addresses: those of IANA's registries of special-purpose addresses are left out, the cluster's and the site's own networks and the
clouds' metadata services (169.254.169.254, 100.100.100.200, 192.0.0.192), which hand out credentials, among them. IPv6 allows only global
unicast (2000::/3), which holds neither unique local (fc00::/7) nor link-local addresses, nor IPv4 ones in IPv6 (::ffff:0:0/96, 64:ff9b::/96).
*/}}
{{- define "common.networkPolicy.public" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 0.0.0.0/8 # this network, RFC 791
      - 10.0.0.0/8 # private, RFC 1918
      - 100.64.0.0/10 # shared address space, RFC 6598
      - 127.0.0.0/8 # loopback, RFC 1122
      - 169.254.0.0/16 # link-local, RFC 3927
      - 172.16.0.0/12 # private, RFC 1918
      - 192.0.0.0/24 # protocol assignments, RFC 6890
      - 192.0.2.0/24 # documentation, RFC 5737
      - 192.168.0.0/16 # private, RFC 1918
      - 198.18.0.0/15 # benchmarking, RFC 2544
      - 198.51.100.0/24 # documentation, RFC 5737
      - 203.0.113.0/24 # documentation, RFC 5737
      - 224.0.0.0/4 # multicast, RFC 5771
      - 240.0.0.0/4 # reserved, RFC 1112
- ipBlock:
    cidr: 2000::/3
    except:
      - 2001::/23 # protocol assignments, RFC 2928
      - 2001:db8::/32 # documentation, RFC 3849
      - 2002::/16 # 6to4, which holds IPv4 addresses, RFC 3056
      - 3fff::/20 # documentation, RFC 9637
{{- end -}}
