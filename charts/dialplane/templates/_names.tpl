{{- define "dialplane.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "dialplane.labels" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "dialplane.controller" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "dialplane.gateway" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "dialplane.bot" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: bot
{{- end -}}

{{- define "dialplane.storage" -}}
{{- with .Values.storage.url }}
- name: DIALPLANE_STORAGE_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.storage.publicUrl }}
- name: DIALPLANE_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "dialplane.asterisk" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: asterisk
{{- end -}}

{{- define "dialplane.spool" -}}
{{- if and .Values.asterisk.enabled .Values.spool.enabled -}}
{{- .Values.spool.existingClaim | default (printf "%s-spool" (include "dialplane.name" .)) -}}
{{- end -}}
{{- end -}}

{{- define "dialplane.claim" -}}
{{- .Values.volume.existingClaim | default (printf "%s-config" (include "dialplane.name" .)) -}}
{{- end -}}

{{- /* cert-manager leaves its Secret behind: Helm's own has another name. */ -}}
{{- define "dialplane.admissionSecret" -}}
{{ include "dialplane.name" . }}-admission{{ ternary "-tls" "" .Values.admission.certManager.enabled }}
{{- end }}
