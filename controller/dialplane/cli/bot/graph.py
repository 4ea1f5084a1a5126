"""`dialplane bot graph`: a picture of a dialogue."""

from enum import StrEnum
from typing import Annotated

import typer

from dialplane.cli.bot.bot_files import Bot, Paths, bot_of
from dialplane.cli.extras import missing_extra
from dialplane.cli.output import write
from dialplane.cli.plain_text import harmless


class GraphFormat(StrEnum):
    """What `-o` takes here."""

    MERMAID = "mermaid"
    SVG = "svg"


FormatOption = Annotated[
    GraphFormat,
    typer.Option("--output", "-o", help="mermaid for Markdown (GitHub and GitLab draw it), svg for a browser."),
]


def graph(name: Bot, paths: Paths, output: FormatOption = GraphFormat.MERMAID) -> None:
    """Draw the dialogue of a bot: its states, what they say and do, and what leads from one to the next.

    Blue states ask the caller, yellow ones act, green ones end the dialogue; in SVG, ways back are dashed. What it
    draws goes to standard output. SVG needs dialplane[bot].

    Exit code 0: drawn. 1: something is wrong with the bot. 2: there is no such bot.

    Examples:
        dialplane bot graph receptionist -f examples/voice-bot
        dialplane bot graph receptionist -f site/ -o svg > receptionist.svg
    """
    from dialplane.cli.inputs import read_input
    from dialplane.services.voicebot.dialogue.graph import mermaid, picture_of

    picture = picture_of(bot_of(read_input(paths, None), name))
    if output is GraphFormat.MERMAID:
        write(harmless(mermaid(picture), lines=True))
        return
    try:
        from dialplane.services.voicebot.dialogue.drawing import svg
    except ImportError as error:
        raise missing_extra(error, "bot") from None
    write(harmless(svg(picture), lines=True))
