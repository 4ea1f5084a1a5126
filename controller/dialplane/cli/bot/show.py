"""`dialplane bot show`: one call of a bot, and what was said in it."""

import re
from typing import Annotated, Any, Final

import typer

from dialplane.cli.bot import call_view as view
from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Output, TokenFile, Url
from dialplane.cli.errors import Unusable
from dialplane.cli.output import Format, emit, say
from dialplane.cli.state import StateDir

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")

CallId = Annotated[
    str, typer.Argument(metavar="CALL", help="Of a call.", autocompletion=names("/bots/calls", "id", limit=50))
]


def show(
    call: CallId,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show a call of a bot and what was said in it, with how long the bot took to answer.

    Examples:
        dialplane bot show dpbot-1764507842.17-1-1
        dialplane bot show dpbot-1764507842.17-1-1 -o json | jq -r '.turns[] | .speaker + ": " + .text'
    """
    if not _ID.match(call):
        raise Unusable(f"{call!r} is no id of a call: `dialplane bot calls` shows them")
    found: dict[str, Any] = connect(url, token_file, state_dir).get(f"/bots/calls/{call}")
    if output is not Format.TEXT:
        emit(found, output)
        return
    for line in view.lines(found):
        say(*line)
    if found["turns"]:
        say()
    for each in found["turns"]:
        say(*view.turn(each))
