{{/* Made from the kinds by `make crds`; do not edit. */}}
{{- define "dialplane.kinds" -}}
- asterisks
- campaigns
- dongles
- elevatordevices
- extensions
- infinitytenants
- notifiers
- schedules
- siptrunks
- smsmessages
- voicebots
{{- end -}}

{{- define "dialplane.kindStatuses" -}}
- asterisks/status
- campaigns/status
- dongles/status
- elevatordevices/status
- extensions/status
- infinitytenants/status
- notifiers/status
- schedules/status
- siptrunks/status
- smsmessages/status
- voicebots/status
{{- end -}}

{{- define "dialplane.expiringKinds" -}}
smsmessages
{{- end -}}
