"""Text messages: modems, the inbox, the outbox."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import Context, Service, ServiceDefinition

if TYPE_CHECKING:
    from dialplane.api.mount import Mount


def _start(context: Context) -> Service:
    from dialplane.services.sms.service import SmsService  # noqa: PLC0415 -- most sites have no modem

    return SmsService(context.store, context.site, tell=context.notice, happened=context.outbox.wake)


def _preload() -> None:
    from dialplane.services.sms import service  # noqa: F401, PLC0415 -- as above


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.sms.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


SERVICE = ServiceDefinition(
    name="sms",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    scopes=(ScopeRule("sms"),),
    tables=("dialplane.services.sms.tables.inbox", "dialplane.services.sms.tables.outgoing"),
)
