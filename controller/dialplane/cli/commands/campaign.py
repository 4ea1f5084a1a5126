"""`dialplane campaign`: how far campaigns are, whom they call, and uploading their lists."""

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dialplane.cli.campaign_export import MOST, ExportFormat, as_csv
from dialplane.cli.campaign_pace import Pace
from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, OfTenant, Output, TokenFile, Url
from dialplane.cli.durations import at, lasting
from dialplane.cli.errors import ExitCode, NoAnswer, Refused, Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, console, emit, say, show_table, warn, write
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dialplane.cli.client.api_client import ApiClient

WATCH_SECONDS: Final = 2.0
LARGEST: Final = 10_000_000
"""Bytes of a list."""
COMPLETED: Final = "Completed"
COLOURS: Final = {"Running": "green", COMPLETED: "cyan", "Paused": "yellow", "Waiting": "yellow"}
STATES: Final = {"answered": "green", "failed": "red", "skipped": "yellow", "calling": "cyan"}
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_LINE: Final = re.compile(r"^line ([0-9]+)\.?")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Of a Campaign.", autocompletion=names("/infinity/campaigns", "name")),
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Campaigns: lists of people who are called one after the other.

    They talk to the API of `dialplane run`, or to that at --url. What a campaign does is in its manifest.

    Examples:
        dialplane campaign list
        dialplane campaign watch spring
        dialplane campaign upload spring people.csv
    """


def list_(
    tenant: OfTenant = None,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List campaigns, and how far they are.

    Example:
        dialplane campaign list --tenant acme
    """
    found = connect(url, token_file, state_dir).get("/infinity/campaigns", tenant=tenant)["items"]
    if output is not Format.TEXT:
        emit(found, output)
        return
    counted = ["total", "dialed", "answered", "failed", "skipped", "remaining", "active_calls"]
    rows = [[c["name"], c["tenant"] or "", c["phase"], *(str(c[name]) for name in counted), c["why"]] for c in found]
    styles = [[None, None, COLOURS.get(c["phase"]), *[None] * 8] for c in found]
    headings = ["NAME", "TENANT", "PHASE", "TOTAL", "DIALED", "ANSWERED", "FAILED", "SKIPPED", "REMAINING", "CALLS"]
    show_table([*headings, "MESSAGE"], [[harmless(cell) for cell in row] for row in rows], styles)


def show(
    name: Name,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show how far one campaign is.

    Example:
        dialplane campaign show spring -o yaml
    """
    found = _progress(connect(url, token_file, state_dir), name)
    if output is not Format.TEXT:
        emit(found, output)
        return
    say(harmless(f"{found['name']}: {_phase(found)}"), COLOURS.get(found["phase"]))
    for field, value in found.items():
        if field.endswith("_at") and value:
            say(f"{field}: {at(value)}")
        elif field not in {"name", "phase", "why"} and value is not None:
            say(harmless(f"{field}: {value}"))


def watch(
    name: Name,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Watch a campaign until it is completed: a bar on a terminal, in a pipe a line for whatever changes.

    Exit code 0: it is completed. 1: there is none (any more). 2: no API. 130: you went, the campaign goes on.

    Examples:
        dialplane campaign watch spring
        dialplane campaign watch spring && echo "all were called"
    """
    api = connect(url, token_file, state_dir)
    found = _progress(api, name)
    try:
        if sys.stdout.isatty():
            _bar(api, found)
        else:
            _lines(api, found)
    except KeyboardInterrupt:
        warn("the campaign goes on; `spec.paused: true` in its manifest has it pause")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _progress(api: "ApiClient", name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/infinity/campaigns/{_name(name)}")
    return found


def _phase(found: dict[str, Any]) -> str:
    return f"{found['phase']}, {found['why']}" if found["why"] else str(found["phase"])


def _bar(api: "ApiClient", found: dict[str, Any]) -> None:
    from rich.live import Live

    pace = Pace()
    pace.look(time.monotonic(), found)
    with Live(_view(found, pace, ""), console=console(), auto_refresh=False) as live:
        while found["phase"] != COMPLETED:
            time.sleep(WATCH_SECONDS)
            found, said = _newer(api, found)
            pace.look(time.monotonic(), found)
            live.update(_view(found, pace, said), refresh=True)


def _lines(api: "ApiClient", found: dict[str, Any]) -> None:
    pace, told = Pace(), ""
    while True:
        pace.look(time.monotonic(), found)
        if (line := _line(found)) != told:
            say(line)
            sys.stdout.flush()
            told = line
        if found["phase"] == COMPLETED:
            return
        time.sleep(WATCH_SECONDS)
        found, said = _newer(api, found)
        if said:
            warn(said)


def _newer(api: "ApiClient", found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """How far it is now; while the API is away, how far it was, and what is wrong."""
    try:
        return _progress(api, found["name"]), ""
    except NoAnswer as error:
        return found, str(error)


def _line(found: dict[str, Any]) -> str:
    done = found["total"] - found["remaining"]
    counts = ", ".join(f"{found[name]} {name}" for name in ("dialed", "answered", "failed", "skipped", "remaining"))
    return harmless(f"{found['name']}: {_phase(found)}: {done} of {found['total']} done; {counts}")


def _view(found: dict[str, Any], pace: Pace, said: str) -> "RenderableType":
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    total, done = found["total"], found["total"] - found["remaining"]
    share = f"{done / total:.0%}" if total else ""
    head = Text.assemble(
        (harmless(found["name"]), "bold"),
        "  ",
        (harmless(_phase(found)), COLOURS.get(found["phase"], "")),
        f"  {share}",
    )
    counts = Text.assemble(
        f"{found['dialed']} dialed  ",
        (f"{found['answered']} answered  ", "green"),
        (f"{found['failed']} failed  ", "red"),
        f"{found['skipped']} skipped  {found['remaining']} remaining  {found['active_calls']} calls now",
    )
    bar = Padding(ProgressBar(total=max(total, 1), completed=done, width=60), 0)  # a bare one does not end its line
    parts: list[RenderableType] = [head, bar, counts]
    speed = []
    if pace.calls_a_minute is not None:
        speed.append(f"{pace.calls_a_minute:.1f} calls a minute")
    if found["answer_percent"] is not None:
        speed.append(f"{found['answer_percent']} % of the last ones answered")
    if found["phase"] == "Running" and pace.seconds_left is not None:
        speed.append(f"about {lasting(pace.seconds_left)} left")
    if found["next_call_at"] and found["phase"] == "Waiting":
        speed.append(f"goes on at {at(found['next_call_at'])}")
    parts.append(Text("  ".join(speed), style="dim"))
    if said:
        parts.append(Text(said, style="red"))
    return Group(*parts)


def upload(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The list; - reads it from standard input.")],
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Replace the list of a campaign whose manifest says `destinations.upload: true`; all of it or nothing.

    CSV as spreadsheets write it, whose first line names the columns: `number`, and perhaps `caseId`; further ones are
    kept with the call. Who stays on the list keeps the attempts so far, who is gone from it is no longer called.

    Examples:
        dialplane campaign upload spring people.csv
        psql -c "copy (…) to stdout with csv header" | dialplane campaign upload spring -
    """
    data = _read(file)
    api = connect(url, token_file, state_dir)
    path = f"/infinity/campaigns/{_name(name)}/destinations"
    answer = api.ask("PUT", path, content=data, headers={"Content-Type": "text/csv"})
    wrong = [_LINE.sub(r"line \1, ", field).removesuffix(", ") + f": {said}" for field, said in answer.errors]
    for line in wrong:
        warn(f"{file}: {line}", "red")
    if wrong:
        raise Refused(f"{answer.member('detail')}: nothing of it was taken")
    found = api.result(answer)
    if output is not Format.TEXT:
        emit(found, output)
        return
    more = ", ".join(f"{found[word]} {word}" for word in ("added", "removed", "repeated", "skipped") if found[word])
    say(f"{name}: {found['total']} people{f' ({more})' if more else ', as before'}")


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(LARGEST + 1)
    except OSError as error:
        raise Unusable(f"cannot read {file}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise Unusable(f"{file} has more than {LARGEST // 1_000_000} MB: split it over several campaigns")
    return data


def destinations(
    name: Name,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="Only waiting, calling, answered, failed or skipped ones."),
    ] = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List whom a campaign calls, in the order of its list, and how far it is with each.

    Examples:
        dialplane campaign destinations spring --state failed
        dialplane campaign destinations spring -n 100000 -o json | jq -r '.[] | select(.state == "answered") | .number'
    """
    api = connect(url, token_file, state_dir)
    found = list(api.items(f"/infinity/campaigns/{_name(name)}/destinations", limit, state=state))
    if output is not Format.TEXT:
        emit(found, output)
        return
    rows = [
        [
            d["number"], d["case_id"] or "", d["state"], str(d["attempts"]), d["outcome"] or "",
            at(d["next_at"]) if d["next_at"] and d["state"] == "waiting" else "", d["call"] or "",
        ]
        for d in found
    ]  # fmt: skip
    styles = [[None, None, STATES.get(d["state"]), *[None] * 4] for d in found]
    headings = ["NUMBER", "CASE", "STATE", "ATTEMPTS", "OUTCOME", "NEXT", "CALL"]
    show_table(headings, [[harmless(cell) for cell in row] for row in rows], styles)


def export(
    name: Name,
    output: Annotated[ExportFormat, typer.Option("--output", "-o", help="csv, json or yaml.")] = ExportFormat.CSV,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Write each number that a campaign called, its outcome, and what a bot collected, as CSV (RFC 4180).

    A value that a spreadsheet would take for a formula has `'` in front. What a bot collected is in columns that begin
    with `collected.`; further columns of the list follow as they were.

    Examples:
        dialplane campaign export spring > spring.csv
        dialplane campaign export spring -o json | jq -r '.[] | select(.collected.consent == "yes") | .number'
    """
    api = connect(url, token_file, state_dir)
    found = list(api.items(f"/infinity/campaigns/{_name(name)}/destinations", MOST))
    if output is not ExportFormat.CSV:
        emit(found, Format(output.value))
        return
    write(as_csv(found))


def _name(given: str) -> str:
    if not _NAME.match(given):
        raise Unusable(f"{given!r} is no name of a Campaign: `dialplane campaign list` shows them")
    return given


app.callback(help=kept(root.__doc__))(root)
for _command_name, _command in (
    ("list", list_),
    ("show", show),
    ("watch", watch),
    ("upload", upload),
    ("destinations", destinations),
    ("export", export),
):
    app.command(_command_name, help=kept(_command.__doc__))(_command)
