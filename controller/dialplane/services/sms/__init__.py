"""Text messages: modems, the inbox, the outbox."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import Context, Service, ServiceDefinition, TextMessage

if TYPE_CHECKING:
    from dialplane.api.mount import Mount
    from dialplane.store import Store


def _start(context: Context) -> Service:
    from dialplane.services.sms.service import SmsService  # noqa: PLC0415 -- most sites have no modem

    return SmsService(context.store, context.site, tell=context.notice, happened=context.outbox.wake)


def _preload() -> None:
    from dialplane.services.sms import service  # noqa: F401, PLC0415 -- as above


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.sms.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


def _queue_text(store: "Store", site: str, message: TextMessage, now: datetime) -> None:
    from dialplane.services.sms.outbox import queue_text  # noqa: PLC0415 -- as above

    queue_text(store, site, message, now)


SERVICE = ServiceDefinition(
    name="sms",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    scopes=(ScopeRule("sms"),),
    queue_text=_queue_text,
    tables=("dialplane.services.sms.tables.inbox", "dialplane.services.sms.tables.outgoing"),
)
