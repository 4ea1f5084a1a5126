"""Whether Asterisk can record calls: it is made to write a recording, and says itself how far it got.

A file's rights as the controller sees them prove nothing: Asterisk is another user, maybe on another machine, and a
disk that is full, read-only or over its quota has the best of rights.
"""

import asyncio
import time
from contextlib import suppress
from enum import Enum
from typing import Final

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.database import entries
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing
from dialplane.plan.dialplan.recording import PROOF, PROOF_BYTES, PROOFS

AHEAD_SECONDS: Final = 600
"""The folder is the one of calls in ten minutes from now: tomorrow's is proven before it is due."""
ANSWER_SECONDS: Final = 8.0
REFUSED_SECONDS: Final = 1.0
"""For the reason of a call that did not come about; there is none where the dialplan has not been read yet."""
LOOK_SECONDS: Final = 0.05
PATIENCE: Final = 10
"""Attempts, each `AGAIN_SECONDS` later, until one that hangs is believed."""
AGAIN_SECONDS: Final = 0.3


class Proof(Enum):
    """How one attempt to write a recording ended."""

    WRITTEN = "written"
    REFUSED = "refused"
    """No file could be made."""
    FULL = "full"
    """A file could be made, and not filled: the disk is full, or a quota is used up."""
    HANGS = "hangs"
    """An elder attempt has not come to its end: the disk does not answer."""
    UNANSWERED = "unanswered"
    """Asterisk did not say: it is overloaded, is being stopped, or has not read the dialplan."""


async def prove_recording(main: Ami, calls: Ami) -> Proof:
    """Have Asterisk write a minute of a recording where calls are recorded, and delete it again.

    Args:
        main: the connection of the controller, which reads the outcome.
        calls: that of call control, which may originate.

    Raises:
        PermissionMissing: the account of `calls` may not originate, or that of `main` not read the database.
        Unreachable, ActionTimeout: nothing is known.
    """
    for _ in range(PATIENCE):
        outcome = await _attempt(main, calls)
        if outcome is not Proof.HANGS:
            break
        await asyncio.sleep(AGAIN_SECONDS)  # somebody else's, most likely, and done in a moment
    return outcome


async def _attempt(main: Ami, calls: Ami) -> Proof:
    mark, limit = str(int(time.time()) + AHEAD_SECONDS), ANSWER_SECONDS
    try:
        await calls.action(
            "Originate",
            timeout=ANSWER_SECONDS,
            Channel=f"Local/{mark}@{PROOF}/n",
            Context=PROOF,
            Exten=f"*{mark}",
            Priority="1",
            Variable="CDR_PROP(disable)=1",
            Timeout=str(int(ANSWER_SECONDS * 500)),
        )
    except (PermissionMissing, ActionUnknown):
        raise
    except ActionRefused:
        limit = REFUSED_SECONDS  # the call ended before it was answered: what it wrote down says why
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            while True:
                for entry in await entries(main, PROOFS):
                    at, _, outcome = entry.value.partition("|")
                    if at == mark:
                        return _read(outcome)
                await asyncio.sleep(LOOK_SECONDS)
    return Proof.UNANSWERED


def _read(outcome: str) -> Proof:
    if outcome == "busy":
        return Proof.HANGS
    if not outcome.isdecimal():
        return Proof.REFUSED
    return Proof.WRITTEN if int(outcome) >= PROOF_BYTES else Proof.FULL
