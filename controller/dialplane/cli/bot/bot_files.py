"""Bots in manifests: what `-f PATH` holds, and one of them by its name, checked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.inputs import Paths
from dialplane.cli.output import say
from dialplane.cli.plain_text import harmless

if TYPE_CHECKING:
    from dialplane.resources.voice_bot import VoiceBotSpec
    from dialplane.standalone.site import Site

__all__ = ["Bot", "Paths", "bot_of"]


def _complete(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Complete the name of a bot, once `-f` says where to look."""
    from dialplane.cli.inputs import read_input

    try:
        site = read_input(ctx.params.get("paths") or [], None)
    except Unusable:
        return
    yield from sorted(
        key.name for key in site.snapshot.resources if key.kind == "VoiceBot" and key.name.startswith(incomplete)
    )


Bot = Annotated[str, typer.Argument(metavar="NAME", help="Of a VoiceBot.", autocompletion=_complete)]


def bot_of(site: "Site", name: str) -> "VoiceBotSpec":
    """Return the bot of that name; what is wrong with it is printed.

    Raises:
        Unusable: there is none, or it has no dialogue.
        Refused: something is wrong with it.
    """
    from dialplane.resources.key import Key

    key = Key("VoiceBot", name)
    resource = site.snapshot.resources.get(key)
    if resource is None:
        names = sorted(each.name for each in site.snapshot.resources if each.kind == "VoiceBot")
        for finding in site.errors:
            say(harmless(str(finding)), "red")
        there = f"use one of {', '.join(names)}" if names else "there is none at all"
        raise Unusable(f"there is no VoiceBot {name!r}: {there}")
    return _checked(site, name)


def _checked(site: "Site", name: str) -> "VoiceBotSpec":
    from dialplane.plan.checks.dialogs import mistakes
    from dialplane.resources.key import Key
    from dialplane.resources.problem import Problem, Reason
    from dialplane.resources.voice_bot import VoiceBotSpec

    key = Key("VoiceBot", name)
    spec = site.snapshot.resources[key].spec
    if not isinstance(spec, VoiceBotSpec):
        found = [finding for finding in site.errors if finding.subject == str(key)]
    else:
        found = [site.finding(key, Problem(Reason.INVALID, message, field)) for field, message in mistakes(spec)]
    for finding in sorted(found):
        say(harmless(str(finding)), "red")
    if not isinstance(spec, VoiceBotSpec) or found:
        raise Refused(f"{len(found)} problem{'s' * (len(found) != 1)} in {key}")
    if spec.dialog is None:
        engine = "a model" if spec.realtime else "another program"
        raise Unusable(f"{key} has no dialogue: {engine} speaks for it, and only a call can show how")
    return spec
