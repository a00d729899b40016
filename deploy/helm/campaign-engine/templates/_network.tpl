{{/* Ports and peers of network policies, taken from the addresses where they stand in them. */}}

{{/* Entries of `ports`: (dict "ports" (list 9092) "protocols" (list "TCP")) */}}
{{- define "engine.ports" -}}
{{- range $protocol := .protocols | default (list "TCP") }}
{{- range $.ports }}
- {protocol: {{ $protocol }}, port: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "engine.kafka.ports" -}}
{{- $ports := .Values.networkPolicy.kafka.ports -}}
{{- range splitList "," (include "engine.kafka.bootstrap" .) -}}
{{- $ports = append $ports (splitList ":" . | last | int) -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end -}}

{{/* Of redis://user@host:port/0 and of redis+cluster://host:port,host:port */}}
{{- define "engine.redis.ports" -}}
{{- $ports := .Values.networkPolicy.redis.ports -}}
{{- $place := include "engine.redis.url" . | splitList "://" | last | splitList "@" | last | splitList "/" | first -}}
{{- range splitList "," $place -}}
{{- $ports = append $ports (contains ":" . | ternary (splitList ":" . | last) "6379" | int) -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end -}}

{{- define "engine.gateway.port" -}}
{{- include "engine.url.port" (include "engine.gateway.url" .) -}}
{{- end -}}

{{/* Of http://host:port/path; that of the scheme if there is none. */}}
{{- define "engine.url.port" -}}
{{- $url := urlParse . -}}
{{- if contains ":" $url.host -}}
{{- splitList ":" $url.host | last -}}
{{- else -}}
{{- eq $url.scheme "https" | ternary 443 80 -}}
{{- end -}}
{{- end -}}

{{/* Peers: our own pods on trial, else those of the values; nothing means anywhere at that port. */}}
{{- define "engine.peers.kafka" -}}
{{- include "engine.peers" (dict "root" . "name" "kafka") -}}
{{- end -}}

{{- define "engine.peers.redis" -}}
{{- include "engine.peers" (dict "root" . "name" "redis") -}}
{{- end -}}

{{- define "engine.peers" -}}
{{- if index .root.Values.trial .name "enabled" -}}
- podSelector:
    matchLabels: {{- include "engine.selector" . | nindent 6 }}
{{- else if index .root.Values.networkPolicy .name "to" -}}
{{- index .root.Values.networkPolicy .name "to" | toYaml -}}
{{- end -}}
{{- end -}}

{{- define "engine.kafka.bootstrap" -}}
{{- if .Values.trial.kafka.enabled -}}
{{- include "engine.name" (dict "root" . "name" "kafka") }}:9092
{{- else -}}
{{- .Values.kafka.bootstrap -}}
{{- end -}}
{{- end -}}

{{- define "engine.redis.url" -}}
{{- if .Values.trial.redis.enabled -}}
redis://{{ include "engine.name" (dict "root" . "name" "redis") }}:6379/0
{{- else -}}
{{- .Values.redis.url -}}
{{- end -}}
{{- end -}}

{{- define "engine.gateway.url" -}}
{{- if .Values.simulator.enabled -}}
http://{{ include "engine.name" (dict "root" . "name" "carrier-simulator") }}:8088/ari
{{- else -}}
{{- .Values.gateway.url -}}
{{- end -}}
{{- end -}}
