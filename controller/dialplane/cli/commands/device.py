"""`dialplane device`: devices in lifts, their commands, journals, tokens and alarms."""

import json
import re
import secrets
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dialplane.cli import device_view as view
from dialplane.cli.client.command_follow import followed, judge
from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, Output, Since, TokenFile, Url, moment_given
from dialplane.cli.device_watch import watch_devices
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, emit, say, show_table, warn
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import ApiClient

Answer = dict[str, Any]

BULK: Final = 1000
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?\Z")
_COMPLETE: Final = names("/devices", "id", limit=200)

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="Of a device.", autocompletion=_COMPLETE)]
Online = Annotated[
    bool | None, typer.Option("--online/--offline", help="Only those that are, or are not.", show_default=False)
]
InAlarm = Annotated[bool, typer.Option("--alarm", help="Only those with an open alarm.")]
Location = Annotated[
    str | None, typer.Option("--location", metavar="TEXT", help="Only those with this in their location.")
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Devices in lifts: which are online, what is sent to them, what they say, and their alarms.

    They talk to the API of `dialplane run`, or to that at --url.

    Examples:
        dialplane device list --offline
        dialplane device send REBOOT town-hall-2 --wait
        dialplane device watch --alarm
    """


def list_(
    online: Online = None,
    alarm: InAlarm = False,
    location: Location = None,
    limit: Limit = 200,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List devices, and whether they are online.

    Examples:
        dialplane device list --offline
        dialplane device list --location "Town hall" --alarm
        dialplane device list -n 20000 -o json | jq -r '.[] | select(.firmware != "2.1") | .id'
    """
    found = list(_devices(connect(url, token_file, state_dir), limit, online=online, alarm=alarm, location=location))
    if output is not Format.TEXT:
        emit(found, output)
        return
    show_table(view.HEADINGS, [view.row(each) for each in found], [view.styles(each) for each in found])


def show(
    device: Name,
    limit: Limit = 10,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show one device, and the commands that were sent to it last.

    Examples:
        dialplane device show town-hall-2
        dialplane device show town-hall-2 -o json | jq '.commands[] | select(.state == "unknown")'
    """
    api, path = connect(url, token_file, state_dir), _path(device)
    found = api.get(path)
    found["commands"] = list(api.items(f"{path}/commands", limit))
    if output is not Format.TEXT:
        emit(found, output)
        return
    commands = found.pop("commands")
    for line in view.lines(found):
        say(line)
    if commands:
        say()
        rows = [view.command_row(each) for each in commands]
        show_table(view.COMMAND_HEADINGS, rows, [view.command_styles(each) for each in commands])


def send(
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="One of their allowedCommands, such as REBOOT.")],
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE", help="To these devices.", autocompletion=_COMPLETE)],
    data: Annotated[str | None, typer.Option("--data", metavar="JSON", help="What goes with it; - reads it.")] = None,
    deadline: Annotated[
        int | None,
        typer.Option(
            "--deadline",
            metavar="SECONDS",
            min=1,
            help="It is not sent later. [default: 30 for a physical command, its most; 3600 for a safe one]",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", metavar="KEY", help="Your own name for it: it is sent once.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Show what becomes of it, until it is over.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long --wait waits.")
    ] = 60.0,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Send a command. It is queued once, however often the answer is lost.

    A safe command waits for a device that is offline; a physical one is refused there, and sent once at most.

    Exit code 0: queued, or with --wait: carried out (or sent, to a device that acknowledges nothing). 1: refused for
    one of the devices, or with --wait: failed, rejected or expired. 2: no API, or with --wait: not over in time. 5:
    with --wait: nobody knows whether it was carried out.

    Examples:
        dialplane device send REBOOT town-hall-2 --wait
        dialplane device send ANNOUNCE town-hall-1 town-hall-2 --data '{"text": "Closed at 8 pm"}'
    """
    if key is not None and not re.fullmatch(r"[!-~]{1,160}", key):
        raise Unusable("--idempotency-key has 1 to 160 printable ASCII characters, no blanks")
    wanted = list(dict.fromkeys(map(_name, devices)))
    if len(wanted) > BULK:
        raise Unusable(f"{len(wanted)} devices are more than {BULK:,}: send it in parts")
    body: dict[str, Any] = {"name": command, "data": _json(data), "request_key": key or secrets.token_hex(16)}
    body |= {"deadline_seconds": deadline} if deadline is not None else {}
    api = connect(url, token_file, state_dir)
    made, refused = _queued(api, wanted, body)
    if wait:
        made = followed(api, made, output, timeout=timeout)
    elif output is Format.TEXT:
        for each in made:
            say(harmless(f"{each['device_id']}: {each['id']}"))
    if output is not Format.TEXT:
        emit(made if len(wanted) != 1 else made[0], output)
    for each in refused:
        warn(harmless(f"{each['device_id']}: {each['detail']}"))
    if refused:
        raise Refused(f"{command} was refused for {len(refused)} of {len(wanted)} devices")
    if wait:
        judge(made, timeout)


def _queued(api: "ApiClient", devices: list[str], body: dict[str, Any]) -> tuple[list[Answer], list[Answer]]:
    """Return the commands, and what was answered for the devices that have none."""
    if len(devices) == 1:
        return [api.post(f"/devices/{devices[0]}/commands", body)], []
    items = api.post("/devices/commands", {"device_ids": devices, **body})["items"]
    return [each for each in items if each["id"]], [each for each in items if not each["id"]]


def watch(
    devices: Annotated[
        list[str], typer.Argument(metavar="DEVICE", help="Only these devices.", autocompletion=_COMPLETE)
    ] = [],  # noqa: B006 -- typer copies it
    online: Online = None,
    alarm: InAlarm = False,
    location: Location = None,
    limit: Limit = 1000,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Follow devices until Ctrl-C: a table that is redrawn; in a pipe a line for each change.

    Examples:
        dialplane device watch --location "Town hall"
        dialplane device watch --alarm | while read -r line; do logger "$line"; done
    """
    api = connect(url, token_file, state_dir)
    chosen = list(map(_name, devices))

    def look() -> list[Answer]:
        if chosen:
            return [api.get(_path(name)) for name in chosen]
        return list(_devices(api, limit, online=online, alarm=alarm, location=location))

    watch_devices(look)


def log(
    device: Name,
    type_: Annotated[
        list[str], typer.Option("--type", metavar="TYPE", help="Only these, such as log, online, alarm or test_call.")
    ] = [],  # noqa: B006 -- typer copies it
    since: Since = None,
    limit: Limit = 100,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show the journal of a device: its own log lines and what happened to it, the newest last.

    Examples:
        dialplane device log town-hall-2 --type alarm --type test_call
        dialplane device log town-hall-2 -n 100000 -o json > town-hall-2.json
    """
    api = connect(url, token_file, state_dir)
    params = {"type": type_ or None, "since": moment_given(since, "--since")}
    found = list(api.items(f"{_path(device)}/journal", limit, **params))[::-1]
    if output is not Format.TEXT:
        emit(found, output)
        return
    for each in found:
        say(*view.entry(each))


def token(
    device: Name,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Make another token for a device and print it, this once. The one before is good for nothing, and is cut off.

    Example:
        dialplane device token town-hall-2 > town-hall-2.token
    """
    made = connect(url, token_file, state_dir).post(f"{_path(device)}/token")
    if output is not Format.TEXT:
        emit(made, output)
    else:
        say(made["token"])


def end_alarm(
    devices: Annotated[
        list[str],
        typer.Argument(metavar="DEVICE", help="Of devices.", autocompletion=names("/devices", "id", alarm=True)),
    ],
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Declare emergencies over: nobody but the operators can call those cabins any more.

    Example:
        dialplane device end-alarm town-hall-2
    """
    api = connect(url, token_file, state_dir)
    done: list[Answer] = []
    try:
        for path in [f"{_path(name)}/alarm/end" for name in devices]:
            done.append(api.post(path))
            if output is Format.TEXT:
                say(harmless(f"{done[-1]['id']}: {done[-1]['alarm']['state']}"), "green")
    finally:  # where the next one is refused, those before it are done and must be told of
        if done and output is not Format.TEXT:
            emit(done, output)


def _devices(
    api: "ApiClient", limit: int, *, online: bool | None, alarm: bool, location: str | None
) -> Iterable[Answer]:
    return api.items("/devices", limit, online=online, alarm=alarm or None, location=location)


def _name(given: str) -> str:
    if not _NAME.match(given):
        raise Unusable(f"{given!r} is no name of a device: `dialplane device list` shows them")
    return given


def _path(device: str) -> str:
    return f"/devices/{_name(device)}"


def _json(given: str | None) -> Any:
    if given is None:
        return None
    text = sys.stdin.read() if given == "-" else given
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unusable(f"--data is no JSON: {error}") from None


app.callback(help=kept(root.__doc__))(root)
for _command_name, _function in (
    ("list", list_),
    ("show", show),
    ("send", send),
    ("watch", watch),
    ("log", log),
    ("token", token),
    ("end-alarm", end_alarm),
):
    app.command(_command_name, help=kept(_function.__doc__))(_function)
