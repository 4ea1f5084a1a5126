"""Recordings of calls: the proof that Asterisk can write them, and the deletion of old ones."""

from dialplane.services.contract import Service, ServiceDefinition


def _start() -> Service:
    from dialplane.services.recordings.service import RecordingService  # noqa: PLC0415 -- imported when it is started

    return RecordingService()


SERVICE = ServiceDefinition(name="recordings", start_without_store=_start)
