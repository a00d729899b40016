{{/*
How a program reaches Kafka and Redis, as settings of libs/chassis' connections.py.
Each takes (dict "root" $ "name" "dialer" "prefix" "DIALER_").
*/}}

{{/* What is told about Kafka; with users of Strimzi, each program has a login of its own. */}}
{{- define "engine.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $strimzi := .root.Values.strimzi -}}
{{- if and $strimzi.enabled $strimzi.users.enabled -}}
{{- $user := include "engine.name" . -}}
{{- if eq $strimzi.users.authentication "tls" -}}
protocol: SSL
certificate: {secret: {{ $user }}, certificateKey: user.crt, privateKey: user.key}
{{- else }}
protocol: SASL_SSL
mechanism: SCRAM-SHA-512
username: {{ $user }}
password: {secret: {{ $user }}, key: password}
{{- end }}
ca: {secret: {{ $kafka.ca.secret | default (printf "%s-cluster-ca-cert" $strimzi.cluster) }}, key: {{ $kafka.ca.key }}}
{{- else -}}
protocol: {{ $kafka.protocol }}
{{- if hasPrefix "SASL" $kafka.protocol }}
mechanism: {{ $kafka.mechanism }}
username: {{ $kafka.username | quote }}
password: {{ toJson $kafka.password }}
{{- end }}
{{- if hasSuffix "SSL" $kafka.protocol }}
ca: {{ toJson $kafka.ca }}
certificate: {{ toJson $kafka.certificate }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Lines of a ConfigMap: what is no secret. */}}
{{- define "engine.connections.config" -}}
{{- $kafka := include "engine.kafka" . | fromYaml -}}
{{- $redis := .root.Values.redis -}}
{{ .prefix }}KAFKA_BOOTSTRAP: {{ include "engine.kafka.bootstrap" .root | quote }}
{{ .prefix }}KAFKA_SECURITY_PROTOCOL: {{ $kafka.protocol }}
{{- if $kafka.mechanism }}
{{ .prefix }}KAFKA_SASL_MECHANISM: {{ $kafka.mechanism }}
{{ .prefix }}KAFKA_USERNAME: {{ $kafka.username | quote }}
{{- end }}
{{- if dig "ca" "secret" "" $kafka }}
{{ .prefix }}KAFKA_CA_FILE: /etc/campaign-engine/kafka-ca/ca.crt
{{- end }}
{{- if dig "certificate" "secret" "" $kafka }}
{{ .prefix }}KAFKA_CERTIFICATE_FILE: /etc/campaign-engine/kafka-certificate/tls.crt
{{ .prefix }}KAFKA_KEY_FILE: /etc/campaign-engine/kafka-certificate/tls.key
{{- end }}
{{ .prefix }}REDIS_URL: {{ include "engine.redis.url" .root | quote }}
{{- if $redis.username }}
{{ .prefix }}REDIS_USERNAME: {{ $redis.username | quote }}
{{- end }}
{{- if $redis.ca.secret }}
{{ .prefix }}REDIS_CA_FILE: /etc/campaign-engine/redis-ca/ca.crt
{{- end }}
{{- end -}}

{{/* Entries of `env`: what is in Secrets. */}}
{{- define "engine.connections.secrets" -}}
{{- $kafka := include "engine.kafka" . | fromYaml -}}
{{- if $kafka.mechanism }}
- name: {{ .prefix }}KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $kafka.password.secret }}, key: {{ $kafka.password.key }}}}
{{- end }}
{{- with .root.Values.redis.password }}
{{- if .secret }}
- name: {{ $.prefix }}REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Volumes of certificates, and where they are mounted. */}}
{{- define "engine.connections.volumes" -}}
{{- $kafka := include "engine.kafka" . | fromYaml -}}
{{- with $kafka.ca }}
{{- if .secret }}
- name: kafka-ca
  secret: {secretName: {{ .secret }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- with $kafka.certificate }}
{{- if .secret }}
- name: kafka-certificate
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items: [{key: {{ .certificateKey }}, path: tls.crt}, {key: {{ .privateKey }}, path: tls.key}]
{{- end }}
{{- end }}
{{- with .root.Values.redis.ca }}
{{- if .secret }}
- name: redis-ca
  secret: {secretName: {{ .secret }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end -}}

{{- define "engine.connections.mounts" -}}
{{- range include "engine.connections.volumes" . | fromYamlArray }}
- {name: {{ .name }}, mountPath: /etc/campaign-engine/{{ .name }}, readOnly: true}
{{- end }}
{{- end -}}
