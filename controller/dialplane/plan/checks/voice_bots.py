"""Bots, and what they send their callers on to.

A bot that is out keeps its place in the dialplan: its callers go to its fallback (`plan/voice_bots.py`).
"""

from collections.abc import Iterator
from typing import Final

from dialplane.plan.draft import Draft, Finding
from dialplane.plan.voice_bots import HANGUP, next_code, transfers
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.public_address import may_be_asked
from dialplane.resources.voice_bot import VoiceBotSpec

LARGEST: Final = 262_144
"""Characters of a bot's manifest, written as JSON: each replica reads all of it at each change of any bot."""


def interfaces(draft: Draft) -> Iterator[Finding]:
    """Bots reach Asterisk."""
    if draft.asterisk is None or draft.asterisk.ari is not None:
        return
    message = f"{draft.asterisk_key} does not say how bots reach its REST interface: set spec.ari there"
    for key, _ in draft.of(VoiceBotSpec):
        yield key, Problem(Reason.REFERENCE_MISSING, message, "spec")


def sizes(draft: Draft) -> Iterator[Finding]:
    """What a bot is made of is of a size that every replica can take."""
    for key, spec in draft.of(VoiceBotSpec):
        size = len(spec.model_dump_json(by_alias=True, exclude_defaults=True))
        if size > LARGEST:
            message = (
                f"the manifest has {size:,} characters, and a bot at most {LARGEST:,}: say less in it, or divide the "
                "dialogue between several bots that transfer to each other"
            )
            yield key, Problem(Reason.INVALID, message, "spec")


def transfer_names(draft: Draft) -> Iterator[Finding]:
    """What a bot calls its transfers is told apart in the dialplan, where it is a number."""
    for key, spec in draft.of(VoiceBotSpec):
        known = {next_code(HANGUP): HANGUP}
        for name, path, _ in transfers(spec):
            field = path.removesuffix(".action.transfer.to").removesuffix(".to") + ".name"
            if name == HANGUP:
                message = f"{HANGUP!r} ends the call, and transfers nothing: choose another name"
                yield key, Problem(Reason.INVALID, message, field)
            elif (rival := known.setdefault(next_code(name), name)) != name:
                message = f"it has the same number in the dialplan as {rival!r}: choose another name"
                yield key, Problem(Reason.INVALID, message, field)


def messengers(draft: Draft) -> Iterator[Finding]:
    """The Dongle that sends a bot's text messages is served. Partial: the bot speaks on."""
    known = {key.name for key, _ in draft.of(DongleSpec)}
    for key, spec in draft.of(VoiceBotSpec):
        for index, state in enumerate(spec.dialog.states if spec.dialog else ()):
            sms = state.action.sms if state.action else None
            if sms is not None and sms.dongle not in known:
                message = f"no Dongle {sms.dongle!r} is served"
                field = f"spec.dialog.states[{index}].action.sms.dongle"
                yield key, Problem(Reason.REFERENCE_MISSING, message, field, partial=True)


def private_addresses(draft: Draft) -> Iterator[Finding]:
    """Programs that a bot asks are on the Internet, or it is permitted that they are not."""
    for key, spec in draft.of(VoiceBotSpec):
        for field, url, permitted in _programs(spec):
            if not may_be_asked(url, allow_private=permitted):
                message = f"{url} is at an address that no bot may ask: use another"
                if may_be_asked(url, allow_private=True):
                    message = f"{url} is no public address: set allowPrivateAddress where it is the one that you mean"
                yield key, Problem(Reason.INVALID, message, field)


def _programs(spec: VoiceBotSpec) -> Iterator[tuple[str, str, bool]]:
    """Yield the field, the URL, and whether an address that is not public is permitted."""
    if spec.engine is not None:
        external = spec.engine.external
        yield "spec.engine.external.url", external.url, external.allow_private_address
    for index, state in enumerate(spec.dialog.states if spec.dialog else ()):
        webhook = state.action.webhook if state.action else None
        if webhook is not None:
            yield f"spec.dialog.states[{index}].action.webhook.url", webhook.url, webhook.allow_private_address
