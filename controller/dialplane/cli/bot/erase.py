"""`dialplane bot erase`: nothing is left of somebody's calls."""

from typing import Annotated
from urllib.parse import quote

import typer

from dialplane.cli.bot.caller_number import plain_number
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Output, TokenFile, Url
from dialplane.cli.errors import ExitCode
from dialplane.cli.output import Format, emit, say, warn
from dialplane.cli.state import StateDir


def erase(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The caller's number, written in any way.")],
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Erase calls, transcripts and recordings of somebody who called, or was called by a campaign. It is for good.

    Exit code 0: nothing is left. 1: refused. 2: no API, or something is left: do it again. 3: a call still goes on,
    or a recording of one is not stored yet: do it again in two minutes.

    Example:
        dialplane bot erase '+49 30 555010'
    """
    api = connect(url, token_file, state_dir)
    found = api.result(api.ask("DELETE", f"/bots/callers/{quote(plain_number(number), safe='')}"))
    if output is not Format.TEXT:
        emit(found, output)
    else:
        say(f"erased: {_count(found['calls'], 'call')}, {_count(found['recordings'], 'recording')}")
    if found["goingOn"]:
        going_on = _count(found["goingOn"], "call")
        warn(f"still going on, or ended just now: {going_on}; erase again in two minutes")
        raise typer.Exit(ExitCode.NOT_ANSWERED)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
