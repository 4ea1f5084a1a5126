"""PURE: which bots there are to be, and how the living replicas serve each, by what they report."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.resources.voice_bot import KIND, VoiceBotSpec
from dialplane.services.contract import ReplicaState, SecretSource, SiteView
from dialplane.services.voicebot.desired import AriAddress, DesiredBot, DesiredBots, desired_bot
from dialplane.services.voicebot.reported import APPLICATION, BOT_PREFIX, BotState
from dialplane.services.voicebot.secret_digest import secrets_digest

T = TypeVar("T")

GRACE_SECONDS: Final = 15.0
"""How long the last replica may be away, to be started again, before no bot is Ready."""
FIRST_SECONDS: Final = 10.0
"""How long a leader that has just started waits for the word of a replica on each bot."""


def desired_bots(view: SiteView, secrets: SecretSource, before: DesiredBots) -> DesiredBots:
    """Return the bots that are to take calls: those that the plan accepts and the manifest enables.

    Args:
        view: the site.
        secrets: its own.
        before: what this returned before; a bot that is as it was is the same object.
    """
    pbx = next((spec for _, spec in view.snapshot.of(AsteriskSpec)), AsteriskSpec())
    ari = AriAddress(str(pbx.ari.url), pbx.ari.credentials_secret_ref.name) if pbx.ari is not None else None
    bots: dict[str, DesiredBot] = {}
    for resource, spec in view.snapshot.of(VoiceBotSpec):
        if resource.key in view.accepted and spec.enabled:
            digest, known = secrets_digest(spec, ari, secrets), before.bots.get(resource.key.name)
            if known is not None and (known.spec, known.time_zone, known.secrets) == (spec, pbx.time_zone, digest):
                bots[resource.key.name] = known
            else:
                bots[resource.key.name] = desired_bot(spec, pbx.time_zone, digest)
    return DesiredBots(ari, bots)


@dataclass(frozen=True, slots=True)
class Served:
    """How one bot is served."""

    ready: bool | None
    """Whether a replica has proven that it serves it; None: none has said anything of this version yet."""
    reason: Reason = Reason.UNKNOWN
    message: str = ""


class BotReplicas:
    """The replicas of a site, by what they report; times are in seconds of a clock that nobody sets."""

    def __init__(self) -> None:
        self.served: Mapping[str, Served] = {}
        """By bot."""
        self.calls: Mapping[str, int] = {}
        """Calls that go on, by bot."""
        self.complete = False
        """Whether a replica has said of each bot how it is."""
        self._proven: dict[str, str] = {}
        """The digest with which a bot was last served."""
        self._until: float | None = None

    def look(self, states: Mapping[str, Sequence[ReplicaState]], desired: DesiredBots, now: float) -> bool:
        """Take what they report now; return whether anything is another than before."""
        reported = {
            name: list(readable(BotState.from_json, states.get(BOT_PREFIX + name, ()))) for name in desired.bots
        }
        present = APPLICATION in states or any(each.digest for found in reported.values() for each in found)
        self._until = None if present else now + GRACE_SECONDS if self._until is None else self._until
        patient = self._until is not None and now < self._until
        before = self.served, self.calls
        self.served = {
            name: self._served(name, bot.digest, reported[name], present=present, patient=patient)
            for name, bot in desired.bots.items()
        }
        self.calls = {name: sum(each.calls for each in found) for name, found in reported.items()}
        self.complete = all(self.served[name].ready is not None and reported[name] for name in desired.bots)
        return before != (self.served, self.calls)

    def _served(self, name: str, digest: str, found: Sequence[BotState], *, present: bool, patient: bool) -> Served:
        current = [each for each in found if each.digest == digest]
        if any(each.ready for each in current):
            self._proven[name] = digest
            return Served(ready=True)
        failed = [each for each in current if each.reason != Reason.UNKNOWN]
        if failed:
            self._proven.pop(name, None)
            return Served(ready=False, reason=_reason(failed[0].reason), message=failed[0].message)
        if present:
            return Served(ready=None, message="no replica of bots has proven this version yet")
        if patient and self._proven.get(name) == digest:
            return Served(ready=True)
        message = (
            "no bot runs that could take its calls, which go to its fallback: start `dialplane bot`, or see why the one"
            " there fails"
        )
        return Served(ready=False, reason=Reason.NO_BOT, message=message)


def readable(read: Callable[[Any], T], states: Iterable[ReplicaState]) -> Iterator[T]:
    """Yield what replicas report; one of another version may do so in another shape, and counts for nothing."""
    for each in states:
        with suppress(LookupError, TypeError):
            yield read(each.state)


def bot_keys(view: SiteView) -> frozenset[Key]:
    """Return every VoiceBot of a site."""
    return frozenset(key for key in view.snapshot.resources if key.kind == KIND.name)


def _reason(written: str) -> Reason:
    """Return the reason that a replica gives; one of another version may have reasons of its own."""
    try:
        return Reason(written)
    except ValueError:
        return Reason.MEDIA_FAILED
