"""Bots that speak with callers: media, turn taking, speech, dialogue, and what is left of their calls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import Context, Replica, ReplicaContext, Role, Service, ServiceDefinition

if TYPE_CHECKING:
    from dialplane.api.mount import Mount

AREA: Final = "bots"


def _start(context: Context) -> Service:
    from dialplane.services.voicebot.leader.service import VoiceBotService  # noqa: PLC0415 -- most sites have no bot

    return VoiceBotService(context)


def _preload() -> None:
    from dialplane.services.voicebot.leader import service  # noqa: F401, PLC0415 -- as above


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.voicebot.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


def _bot(context: ReplicaContext) -> Replica:
    from dialplane.services.voicebot.bot.replica import VoiceBotReplica  # noqa: PLC0415 -- as the contract says

    return VoiceBotReplica(context)


SERVICE = ServiceDefinition(
    name="voicebot",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    replicas={Role.BOT: _bot},
    scopes=(ScopeRule(AREA, rights={"read": ("read",), "manage": ("read", "manage")}),),
    tables=("dialplane.services.voicebot.tables.calls", "dialplane.services.voicebot.tables.turns"),
)
