"""`dialplane sms`: messages received and to send."""

import re
import secrets
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, Output, Since, TokenFile, Url, moment_given
from dialplane.cli.durations import at
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, emit, say, show_table
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import ApiClient

POLL_SECONDS: Final = 1.0
_MESSAGE_ID: Final = re.compile(r"(in|out)-[0-9a-f]{32}\Z")
COLOURS: Final = {"Delivered": "green", "Sent": "green", "Failed": "red", "Expired": "red", "Unknown": "yellow"}

MessageId = Annotated[str, typer.Argument(metavar="ID", help="Of a message, as `list` shows it.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Show what becomes of it, until it is over.")]
WaitSeconds = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long --wait waits.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Text messages: what came in, and what goes out.

    They talk to the API of `dialplane run`, or to that at --url.

    Examples:
        dialplane sms list
        dialplane sms send --dongle gsm1 --to +15550100 "The lift stands still."
    """


def list_(
    outgoing: Annotated[bool, typer.Option("--outgoing", help="Those to send, instead of those received.")] = False,
    dongle: Annotated[str | None, typer.Option("--dongle", metavar="NAME", help="Only those of this Dongle.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="Only those from this number or name.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="NUMBER", help="Outgoing: only those to it.")] = None,
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="PHASE", help="Outgoing: only those, such as Failed.")
    ] = None,
    since: Since = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List messages, the newest first.

    Examples:
        dialplane sms list --from +15550100 --since 2026-04-01
        dialplane sms list --outgoing --phase Failed
        dialplane sms list -n 1000 -o json | jq -r '.[].text'
    """
    if outgoing and sender is not None:
        raise Unusable("--from is about messages received: leave --outgoing out, or say --to")
    if not outgoing and (to is not None or phase is not None):
        raise Unusable("--to and --phase are about messages to send: add --outgoing")
    api = connect(url, token_file, state_dir)
    after = moment_given(since, "--since")
    if outgoing:
        found = list(api.items("/sms/outgoing", limit, dongle=dongle, to=to, phase=phase, since=after))
    else:
        found = list(api.items("/sms", limit, dongle=dongle, sender=sender, since=after))
    if output is not Format.TEXT:
        emit(found, output)
    elif outgoing:
        rows = [[at(m["queuedAt"]), m["dongle"] or "", m["to"], m["phase"], m["id"], m["text"]] for m in found]
        styles = [[None, None, None, COLOURS.get(m["phase"]), None, None] for m in found]
        show_table(["QUEUED", "DONGLE", "TO", "PHASE", "ID", "TEXT"], _harmless(rows), styles)
    else:
        rows = [[at(m["receivedAt"]), m["dongle"], m["sender"], m["id"], m["text"]] for m in found]
        show_table(["RECEIVED", "DONGLE", "FROM", "ID", "TEXT"], _harmless(rows))


def show(
    message_id: MessageId,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show one message, received or to send, with its whole text.

    Example:
        dialplane sms show in-4f0c… -o yaml
    """
    found = connect(url, token_file, state_dir).get(f"/sms/{_id(message_id)}")
    if output is not Format.TEXT:
        emit(found, output)
        return
    for name, value in found.items():
        if name not in {"text", "parts"} and value is not None:
            say(f"{name}: {harmless(_word(value))}")
    for part in found.get("parts") or [] if found.get("partsTotal", 1) > 1 else []:
        error = f" ({part['error']})" if part["error"] else ""
        say(harmless(f"part {part['number'] + 1}: {part['state']}{error}"))
    say()
    say(harmless(found["text"], lines=True))


def send(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from standard input.")],
    to: Annotated[str, typer.Option("--to", metavar="NUMBER", help="The number to send it to.")],
    dongle: Annotated[str | None, typer.Option("--dongle", metavar="NAME", help="The Dongle to send it by.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="A group of Dongles: the first that takes it.")
    ] = None,
    validity: Annotated[
        int | None, typer.Option("--validity", metavar="MINUTES", help="How long it is worth delivering.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Ask for a delivery report.")] = True,
    wait: Wait = False,
    timeout: WaitSeconds = 300.0,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Send a message. It is queued once, however often the answer is lost.

    Exit code 0: queued, or with --wait: sent (delivered, where a report was asked for). 1: refused, or with --wait: it
    failed, expired, or its outcome is unknown. 2: no API, or with --wait: not over in time.

    Examples:
        dialplane sms send --dongle gsm1 --to +15550100 "The lift stands still."
        dialplane sms send --group all --to +15550100 --wait - < message.txt
    """
    if (dongle is None) == (group is None):
        raise Unusable("say which modem sends it: either --dongle NAME or --group NAME")
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").removesuffix("\n")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unusable("the text is not UTF-8")
    body: dict[str, Any] = {"to": to, "text": text, "deliveryReport": report}
    body |= {"dongle": dongle} if dongle is not None else {}
    body |= {"dongleGroup": group} if group is not None else {}
    body |= {"validityMinutes": validity} if validity is not None else {}
    api = connect(url, token_file, state_dir)
    made = api.post("/sms", body, key=secrets.token_hex(16))
    _follow(api, made, output, wait=wait, timeout=timeout)


def resend(
    message_id: MessageId,
    wait: Wait = False,
    timeout: WaitSeconds = 300.0,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Give a message received to the Notifiers again, or send one that failed or expired again, as a new message.

    One that may have arrived is not sent again: exit code 1 says so.

    Example:
        dialplane sms resend out-4f0c…
    """
    api = connect(url, token_file, state_dir)
    made = api.post(f"/sms/{_id(message_id)}/resend")
    if made["direction"] == "in":
        emit(made, output) if output is not Format.TEXT else say("given to the Notifiers again")
        return
    _follow(api, made, output, wait=wait, timeout=timeout)


def _follow(api: "ApiClient", message: dict[str, Any], output: Format, *, wait: bool, timeout: float) -> None:
    """Print the message, or with `wait` each step of its way, and end as it ends."""
    text = output is Format.TEXT
    if text:
        say(f"{message['id']}: {_state(message)}" if wait else message["id"], COLOURS.get(message["phase"]))
    end = time.monotonic() + timeout
    while wait and message["finishedAt"] is None and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        before, message = message, api.get(f"/sms/{message['id']}")
        if text and _state(message) != _state(before):
            say(f"{message['id']}: {_state(message)}", COLOURS.get(message["phase"]))
            sys.stdout.flush()
    if not text:
        emit(message, output)
    if not wait:
        return
    if message["phase"] in {"Failed", "Expired", "Unknown"}:
        raise Refused(
            f"{message['id']} is {message['phase']}" + (f": {harmless(e)}" if (e := message["error"]) else "")
        )
    if message["finishedAt"] is None:
        why = f": it {harmless(message['waitsFor'])}" if message.get("waitsFor") else ""
        raise Unusable(f"{message['id']} is still {message['phase']} after {timeout:g} s{why}")


def _state(message: dict[str, Any]) -> str:
    total = message["partsTotal"]
    many = f", {message['partsSent']} of {total} parts sent, {message['partsDelivered']} delivered" if total > 1 else ""
    by = f" by {message['dongle']}" if message["dongle"] else ""
    why = message.get("waitsFor") or message["error"]
    error = f" ({why})" if why else ""
    return harmless(f"{message['phase']}{by}{many}{error}")


def _id(given: str) -> str:
    if not _MESSAGE_ID.match(given):
        raise Unusable(f"{given!r} is no id of a message: `dialplane sms list` shows them")
    return given


def _harmless(rows: list[list[str]]) -> list[list[str]]:
    return [[harmless(cell) for cell in row] for row in rows]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


app.callback(help=kept(root.__doc__))(root)
for _name, _command in (("list", list_), ("show", show), ("send", send), ("resend", resend)):
    app.command(_name, help=kept(_command.__doc__))(_command)
