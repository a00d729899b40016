{{/* The Secrets that the values name, each with a key of it: "name: key". */}}
{{- define "engine.secrets" -}}
{{- $values := .Values -}}
{{- $told := list $values.gateway.password $values.campaignManager.jwt $values.redis.password $values.redis.ca -}}
{{- if $values.campaignManager.bootstrap.username -}}
{{- $told = append $told $values.campaignManager.bootstrap.password -}}
{{- end -}}
{{- if not (and $values.strimzi.enabled $values.strimzi.users.enabled) -}}
{{- $told = concat $told (list $values.kafka.password $values.kafka.ca) -}}
{{- with $values.kafka.certificate -}}
{{- $told = concat $told (list (dict "secret" .secret "key" .certificateKey) (dict "secret" .secret "key" .privateKey)) -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range $told -}}
{{- if .secret -}}
{{- $names = append $names (printf "%s: %s" .secret .key) -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toYaml -}}
{{- end -}}
