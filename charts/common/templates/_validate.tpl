{{/*
What a schema cannot say in a sentence a person understands, or cannot say at all. Every message names the value and the remedy.
*/}}
{{- define "common.validate" -}}
{{- $name := include "common.name" . -}}
{{- $v := .Values -}}
{{- include "common.validate.image" . -}}
{{- include "common.validate.podLabels" . -}}
{{- include "common.validate.once" . -}}
{{- if and $v.secret $v.existingSecret -}}
{{- fail (printf "%s: both secret and existingSecret (%s) are set. Give one: set existingSecret to \"\" to have the chart make the Secret, or leave secret empty." $name $v.existingSecret) -}}
{{- end -}}
{{- if and $v.service.nodePort (eq $v.service.type "ClusterIP") -}}
{{- fail (printf "%s: service.nodePort %v has no effect on a Service of type ClusterIP. Set service.type to NodePort or LoadBalancer, or leave nodePort out." $name $v.service.nodePort) -}}
{{- end -}}
{{- if le (int $v.terminationGracePeriodSeconds) (int $v.preStopSleepSeconds) -}}
{{- fail (printf "%s: terminationGracePeriodSeconds (%v) must be more than preStopSleepSeconds (%v), or the process is killed before it is asked to stop. Raise the first or lower the second." $name $v.terminationGracePeriodSeconds $v.preStopSleepSeconds) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail (printf "%s: autoscaling.minReplicas (%v) is more than autoscaling.maxReplicas (%v). Raise maxReplicas." $name $v.autoscaling.minReplicas $v.autoscaling.maxReplicas) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- fail (printf "%s: autoscaling needs resources.requests.cpu, of which it computes the share that is used. Set it, for example to 100m." $name) -}}
{{- end -}}
{{- if and (eq (int $v.strategy.maxUnavailable) 0) (eq (int $v.strategy.maxSurge) 0) -}}
{{- fail (printf "%s: strategy.maxUnavailable and strategy.maxSurge are both 0, so no update could ever start. Set maxSurge to 1." $name) -}}
{{- end -}}
{{- if $v.ingress -}}
{{- include "common.validate.ingress" (dict "name" $name "ingress" $v.ingress) -}}
{{- end -}}
{{- end -}}

{{/* The tag is what identifies a deployment: it must be there and must not be one that moves. */}}
{{- define "common.validate.image" -}}
{{- $name := include "common.name" . -}}
{{- if not .Values.image.tag -}}
{{- fail (printf "%s: image.tag is empty. Set it to the tag of the image to run (for %s, the tag that was built or pushed)." $name .Values.image.repository) -}}
{{- end -}}
{{- if eq .Values.image.tag "latest" -}}
{{- fail (printf "%s: image.tag is \"latest\", which changes its meaning without changing its name, so Kubernetes would keep the old pods. Set it to a tag that names one build." $name) -}}
{{- end -}}
{{- end -}}

{{/* A label that stands twice is an error or loses one of its values, and the chart's own select the pods. */}}
{{- define "common.validate.podLabels" -}}
{{- $own := list "helm.sh/chart" -}}
{{- range list "name" "instance" "component" "version" "managed-by" "part-of" -}}
{{- $own = append $own (printf "app.kubernetes.io/%s" .) -}}
{{- end -}}
{{- range $key, $_ := .Values.podLabels -}}
{{- if has $key $own -}}
{{- fail (printf "%s: podLabels sets %s, which the chart sets itself. Leave it out; nameOverride, component, appVersion and partOf change the chart's own labels." (include "common.name" $) $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What Kubernetes takes once only: a variable, the name of a volume, a directory to mount at. */}}
{{- define "common.validate.once" -}}
{{- $name := include "common.name" . -}}
{{- $variables := list -}}
{{- range .Values.extraEnv -}}
{{- if has .name $variables -}}
{{- fail (printf "%s: extraEnv sets %s twice. Leave one of the two out." $name .name) -}}
{{- end -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- $volumes := list "tmp" -}}
{{- $directories := list "/tmp" -}}
{{- range $i, $path := .Values.writableDirs -}}
{{- $volumes = append $volumes (printf "writable-%d" $i) -}}
{{- if has (clean $path) $directories -}}
{{- fail (printf "%s: writableDirs names %s, which can be written to already. Leave it out: /tmp needs no entry, and every other directory one." $name $path) -}}
{{- end -}}
{{- $directories = append $directories (clean $path) -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name $volumes -}}
{{- fail (printf "%s: extraVolumes has a volume %v, and there is another one of that name. Rename it; tmp and writable-<number> are the chart's own." $name .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- $path := toString .mountPath | clean -}}
{{- if has $path $directories -}}
{{- fail (printf "%s: extraVolumeMounts mounts something at %s, where something is mounted already: /tmp, one of writableDirs or another mount. Choose another directory." $name $path) -}}
{{- end -}}
{{- $directories = append $directories $path -}}
{{- end -}}
{{- end -}}

{{/* dict: name, ingress. */}}
{{- define "common.validate.ingress" -}}
{{- if and (eq .ingress.kind "httproute") .ingress.tls -}}
{{- fail (printf "%s: ingress.tls is set with ingress.kind httproute, but with the Gateway API certificates belong to the Gateway's listener. Leave ingress.tls empty and configure the Gateway." .name) -}}
{{- end -}}
{{- if and (eq .ingress.kind "httproute") (not .ingress.parentRefs) -}}
{{- fail (printf "%s: ingress.kind is httproute but ingress.parentRefs is empty. Name the Gateway, for example parentRefs: [{name: gateway, namespace: gateway-system}]." .name) -}}
{{- end -}}
{{- end -}}
