"""`dialplane notifications`: what was told to Notifiers, and what could not be."""

import re
from typing import Annotated, Final

import typer

from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, Output, TokenFile, Url
from dialplane.cli.durations import at
from dialplane.cli.errors import Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, emit, say, show_table
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
COLOURS = {"delivered": "green", "dead": "red", "pending": "yellow"}

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Notifications: what was told, waits, or was given up.

    They talk to the API of `dialplane run`, or to that at --url.
    """


def list_(
    notifier: Annotated[
        str | None, typer.Option("--notifier", metavar="NAME", help="Only those to this Notifier.")
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only those: pending, delivered or dead.")
    ] = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List notifications, the newest first.

    Examples:
        dialplane notifications list --state dead
        dialplane notifications list --notifier people -o json
    """
    api = connect(url, token_file, state_dir)
    found = list(api.items("/notifications", limit, notifier=notifier, state=state))
    if output is not Format.TEXT:
        emit(found, output)
        return
    rows = [
        [
            at(n["at"]), n["event"], n["subject"], n["notifier"], n["state"], str(n["attempts"]), n["id"],
            n["lastError"] or "",
        ]
        for n in found
    ]  # fmt: skip
    styles = [[None] * 4 + [COLOURS.get(n["state"])] + [None] * 3 for n in found]
    headings = ["AT", "EVENT", "SUBJECT", "NOTIFIER", "STATE", "ATTEMPTS", "ID", "ERROR"]
    show_table(headings, [[harmless(cell) for cell in row] for row in rows], styles)


def resend(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Of notifications, as `list` shows them.")],
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Tell again, from the first attempt; the receiver sees the same id.

    Example:
        dialplane notifications resend 4f0c…
    """
    if wrong := [given for given in ids if not _ID.match(given)]:
        raise Unusable(f"{wrong[0]!r} is no id of a notification: `dialplane notifications list` shows them")
    api = connect(url, token_file, state_dir)
    for given in ids:
        found = api.post(f"/notifications/{given}/resend")
        if output is not Format.TEXT:
            emit(found, output)
        else:
            say(f"{found['id']}: {found['state']}")


app.callback(help=kept(root.__doc__))(root)
for _name, _command in (("list", list_), ("resend", resend)):
    app.command(_name, help=kept(_command.__doc__))(_command)
