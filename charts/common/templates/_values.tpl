{{/*
Every value reaches the objects through one of these, so that a reader of YAML 1.1 or 1.2 finds the type and the text that was given:
2048, 12e45, on, null and 1.10 stay text, and blanks, #, line breaks and characters that cannot be printed are kept.
Whole numbers by themselves are written with int.
*/}}

{{/* A scalar as text. Numbers arrive as floats: 1000000 must not become "1e+06". */}}
{{- define "common.text" -}}
{{- kindIs "string" . | ternary . (toJson .) -}}
{{- end -}}

{{/* A scalar as text in double quotes on one line: Go escapes as YAML does. JSON and toYaml leave some control characters as they are. */}}
{{- define "common.quote" -}}
{{- include "common.text" . | quote -}}
{{- end -}}

{{/* A value of any type, of lists and maps too, keys included. No text spans lines, so the result can be indented. */}}
{{- define "common.yaml" -}}
{{- $lines := list -}}
{{- if kindIs "map" . -}}
{{- range $key, $value := . -}}
{{- $text := include "common.yaml" $value -}}
{{- if and $value (or (kindIs "map" $value) (kindIs "slice" $value)) -}}
{{- $lines = append $lines (printf "%s:%s" (include "common.quote" $key) (nindent 2 $text)) -}}
{{- else -}}
{{- $lines = append $lines (printf "%s: %s" (include "common.quote" $key) $text) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" . -}}
{{- range . -}}
{{- $lines = append $lines (printf "- %s" (include "common.yaml" . | indent 2 | trim)) -}}
{{- end -}}
{{- end -}}
{{- $lines | empty | ternary (kindIs "string" . | ternary (quote .) (toJson .)) (join "\n" $lines) -}}
{{- end -}}
