{{/*
What scales a service: (dict "root" $ "name" "dialer" "values" .Values.dialer). A ScaledObject has its
triggers under "triggers"; without KEDA the processor decides.
*/}}

{{- define "engine.scaling" -}}
{{- $by := .root.Values.autoscaling.by -}}
{{- $replicas := .values.autoscaling -}}
{{- if eq $by "hpa" }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "engine.name" . }}
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "engine.name" . }}}
  minReplicas: {{ $replicas.min }}
  maxReplicas: {{ $replicas.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .root.Values.autoscaling.cpuPercent }}}
  behavior: {{- include "engine.scaling.behavior" . | nindent 4 }}
{{- else if eq $by "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "engine.name" . }}
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "engine.name" . }}}
  minReplicaCount: {{ $replicas.min }}
  maxReplicaCount: {{ $replicas.max }}
  pollingInterval: 15
  cooldownPeriod: 300
  fallback: {failureThreshold: 4, replicas: {{ $replicas.min }}, behavior: currentReplicasIfHigher}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- include "engine.scaling.behavior" . | nindent 8 }}
  triggers: {{- .triggers | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Up at once, down by a pod a minute: each that goes hands its partitions and calls over. */}}
{{- define "engine.scaling.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{type: Pods, value: 2, periodSeconds: 30}]
scaleDown:
  stabilizationWindowSeconds: 300
  policies: [{type: Pods, value: 1, periodSeconds: 60}]
{{- end -}}

{{/* A trigger for each topic of each consumer group of a service. */}}
{{- define "engine.scaling.lag" -}}
{{- $facts := include "engine.facts" . | fromYaml -}}
{{- $kafka := include "engine.kafka" . | fromYaml -}}
{{- range $group, $topics := $facts.groups }}
{{- range $topics }}
- type: kafka
  metadata:
    bootstrapServers: {{ include "engine.kafka.bootstrap" $.root }}
    consumerGroup: {{ $group }}
    topic: {{ . }}
    lagThreshold: {{ $.root.Values.autoscaling.lagPerReplica | quote }}
    offsetResetPolicy: earliest
    tls: {{ hasSuffix "SSL" $kafka.protocol | ternary "enable" "disable" }}
    sasl: {{ include "engine.scaling.sasl" $kafka }}
  {{- if ne $kafka.protocol "PLAINTEXT" }}
  authenticationRef: {name: {{ include "engine.name" $ }}-kafka}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "engine.scaling.sasl" -}}
{{- if hasPrefix "SASL" .protocol -}}
{{- get (dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512") .mechanism -}}
{{- else -}}
none
{{- end -}}
{{- end -}}

{{/* KEDA logs in as the service does: it reads the service's own settings. */}}
{{- define "engine.scaling.login" -}}
{{- $facts := include "engine.facts" . | fromYaml -}}
{{- $kafka := include "engine.kafka" . | fromYaml -}}
{{- if and (eq .root.Values.autoscaling.by "keda") (ne $kafka.protocol "PLAINTEXT") }}
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ include "engine.name" . }}-kafka
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  {{- if $kafka.mechanism }}
  env:
    - {parameter: username, name: {{ $facts.prefix }}KAFKA_USERNAME, containerName: {{ .name }}}
    - {parameter: password, name: {{ $facts.prefix }}KAFKA_PASSWORD, containerName: {{ .name }}}
  {{- end }}
  {{- $certificate := $kafka.certificate | default dict }}
  {{- if or (dig "ca" "secret" "" $kafka) $certificate.secret }}
  secretTargetRef:
    {{- with $kafka.ca }}
    {{- if .secret }}
    - {parameter: ca, name: {{ .secret }}, key: {{ .key }}}
    {{- end }}
    {{- end }}
    {{- if $certificate.secret }}
    - {parameter: cert, name: {{ $certificate.secret }}, key: {{ $certificate.certificateKey }}}
    - {parameter: key, name: {{ $certificate.secret }}, key: {{ $certificate.privateKey }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
Dialers. While debt grows, more than there are: one for each `debtPerReplica` calls that are missing. And
never fewer than the calls of now need.
*/}}
{{- define "engine.scaling.debt" -}}
{{- $of := printf "{namespace=%q}" .root.Release.Namespace -}}
{{- $told := .root.Values.autoscaling -}}
- type: prometheus
  metricType: AverageValue
  metadata:
    serverAddress: {{ $told.prometheusUrl }}
    threshold: "1"
    query: >-
      (count(campaign_engine_dial_debt_calls{{ $of }}) + sum(campaign_engine_dial_debt_calls{{ $of }}) / {{ $told.debtPerReplica }})
      and sum(campaign_engine_dial_debt_calls{{ $of }}) > {{ div $told.debtPerReplica 10 }}
- type: prometheus
  metricType: AverageValue
  metadata:
    serverAddress: {{ $told.prometheusUrl }}
    threshold: {{ $told.callsPerSecondPerDialer | quote }}
    query: sum(rate(campaign_engine_originations_total{{ $of }}[2m]))
{{- end -}}
