{{/*
The objects of one service: (dict "root" $ "name" "dialer" "values" .Values.dialer), and optionally
"config" (lines of its ConfigMap), "env", "volumes" and "mounts" (more of each).
*/}}

{{- define "engine.service" -}}
{{- $facts := include "engine.facts" . | fromYaml -}}
{{- $name := include "engine.name" . -}}
{{- $told := merge (dict "prefix" $facts.prefix) . -}}
{{- $config := include "engine.service.config" (merge (dict "facts" $facts) $told) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "engine.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels: {{- include "engine.labels" . | nindent 4 }}
data: {{- $config | nindent 2 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector: {{- include "engine.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ $facts.port }}, targetPort: http, protocol: TCP, appProtocol: http}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  {{- if eq .root.Values.autoscaling.by "none" }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  minReadySeconds: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "engine.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "engine.selector" . | nindent 8 }}
      annotations:
        checksum/config: {{ sha256sum $config }}
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "engine.pod.security" . | nindent 6 }}
      {{- include "engine.pod.placement" . | nindent 6 }}
      {{- include "engine.pod.spread" . | nindent 6 }}
      # Longer than the pause before SIGTERM and all that the service may take to hand over.
      terminationGracePeriodSeconds: {{ add .values.drainSeconds $facts.handOverSeconds 10 }}
      containers:
        - name: {{ .name }}
          image: {{ include "engine.image" . }}
          {{- include "engine.container.security" . | nindent 10 }}
          ports:
            - {name: http, containerPort: {{ $facts.port }}, protocol: TCP}
          envFrom:
            - configMapRef: {name: {{ $name }}}
          env:
            - name: {{ $facts.prefix }}WORKER_ID
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            {{- include "engine.connections.secrets" $told | nindent 12 }}
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
          startupProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 1
            timeoutSeconds: 2
            failureThreshold: 60
          livenessProbe: # the event loop turns; no neighbour is asked
            httpGet: {path: /livez, port: http}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 6
          readinessProbe: # it can claim, and can write its intent
            httpGet: {path: /readyz, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          {{- if .values.drainSeconds }}
          lifecycle: # it goes on as before until nobody is sent to it any more
            preStop: {sleep: {seconds: {{ .values.drainSeconds }}}}
          {{- end }}
          resources: {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- include "engine.connections.mounts" $told | nindent 12 }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
        {{- include "engine.connections.volumes" $told | nindent 8 }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "engine.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "engine.selector" . | nindent 6 }}
{{- end -}}

{{- define "engine.service.config" -}}
{{- $own := include "engine.service.config.own" . | fromYaml -}}
{{- range $setting, $value := .values.settings -}}
{{- $_ := set $own (print $.prefix $setting) (toString $value) -}}
{{- end -}}
{{- toYaml $own -}}
{{- end -}}

{{- define "engine.service.config.own" -}}
{{ .prefix }}HTTP_HOST: "0.0.0.0"
{{ .prefix }}HTTP_PORT: {{ .facts.port | quote }}
{{ .prefix }}LOG_LEVEL: {{ .root.Values.logLevel }}
{{ .prefix }}PROVISION_TOPICS: "false"
{{ .prefix }}REPLICATION_FACTOR: {{ .root.Values.kafka.replicationFactor | quote }}
{{ include "engine.connections.config" . }}
{{- with .root.Values.traces }}
{{- if .endpoint }}
{{ $.prefix }}TRACES_ENDPOINT: {{ .endpoint | quote }}
{{ $.prefix }}TRACES_SHARE: {{ .share | quote }}
{{- end }}
{{- end }}
{{- with .config }}
{{ . }}
{{- end }}
{{- end -}}
