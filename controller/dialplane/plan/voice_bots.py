"""Bots as the dialplan sees them: who answers, where callers go on, and what a bot says at the end of a call. Pure.

A bot that is not served (it has problems, or says `enabled: false`) keeps its place in the dialplan: its callers go to
its fallback.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from dialplane.plan.draft import Draft
from dialplane.resources.destination import Destination
from dialplane.resources.key import Key
from dialplane.resources.voice_bot import VoiceBotSpec

HANGUP: Final = "hangup"
"""What follows where the call is to end: no transfer has this name."""

_FIRST_CODE: Final = 1_000_000_000
"""No cause that Asterisk or a carrier ends a call with is as large, and twice this is a C `int` still."""


@dataclass(frozen=True, slots=True)
class Bot:
    """A VoiceBot that calls can be sent to."""

    key: Key
    spec: VoiceBotSpec
    served: bool = True
    """Else its callers go to its fallback at once."""


def bots(draft: Draft) -> tuple[Bot, ...]:
    """Return the bots of a site by name, once it is settled who is served.

    Asterisk ignores dashes in a name: of those that it could not tell apart the served one has the place.
    """
    served = {key: Bot(key, spec) for key, spec in draft.of(VoiceBotSpec)}
    taken = {squeezed(key.name) for key in served}
    found = dict(served)
    for key, resource in sorted({**draft.disabled, **draft.out}.items()):
        spec = resource.spec
        if isinstance(spec, VoiceBotSpec) and squeezed(key.name) not in taken:
            taken.add(squeezed(key.name))
            found[key] = Bot(key, spec, served=False)
    return tuple(found[key] for key in sorted(found))


def squeezed(name: str) -> str:
    """Return a name as Asterisk compares it."""
    return name.replace("-", "")


def transfers(spec: VoiceBotSpec) -> Iterator[tuple[str, str, Destination]]:
    """Yield what a bot calls each transfer, the field that says where it leads, and where."""
    for index, state in enumerate(spec.dialog.states if spec.dialog else ()):
        if state.action is not None and state.action.transfer is not None:
            yield state.name, f"spec.dialog.states[{index}].action.transfer.to", state.action.transfer.to
    for index, transfer in enumerate(spec.realtime.transfers if spec.realtime else ()):
        yield transfer.name, f"spec.realtime.transfers[{index}].to", transfer.to


def next_code(name: str) -> int:
    """Return the cause with which a bot hangs its media channel up, so that this transfer (or `hangup`) follows.

    It is all that a bot ever says to the dialplan: whatever a caller says, only a number gets there.
    """
    return _FIRST_CODE + crc32(name.encode()) % _FIRST_CODE
