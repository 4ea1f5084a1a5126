"""`dialplane pool`: the extensions of tenants, who holds them, and taking them out of service or back."""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Output, Tenant, TokenFile, Url
from dialplane.cli.durations import ago, at, lasting
from dialplane.cli.errors import NoAnswer, Refused, Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, console, emit, say, show_table, table, warn
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dialplane.cli.client.api_client import ApiClient

WATCH_SECONDS: Final = 2.0
ROWS_AROUND: Final = 4
"""Lines of a terminal that the table leaves for its heading and the totals."""
ALL: Final = 100_000
LIVE: Final = ("reserved", "dialing", "active")
COLOURS: Final = {"available": "green", "in_use": "cyan", "offline": "red", "draining": "yellow"}
_FIRST: Final = ("in_use", "draining", "offline")
"""What a narrow screen shows first."""
_NUMBER: Final = re.compile(r"[0-9]{2,10}\Z")

Numbers = Annotated[
    list[str],
    typer.Argument(
        metavar="NUMBER", help="Of extensions.", autocompletion=names("/infinity/extensions", "number", limit=200)
    ),
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Pools of extensions: who holds which, since when.

    They talk to the API of `dialplane run`, or to that at --url.

    Examples:
        dialplane pool list
        dialplane pool show acme --watch
        dialplane pool offline 8007
    """


def list_(
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List the pools of all tenants, and what their extensions do.

    Examples:
        dialplane pool list
        dialplane pool list -o json | jq '.[] | select(.available == 0) | .tenant'
    """
    found = connect(url, token_file, state_dir).get("/infinity/extensions/statistics")["items"]
    if output is not Format.TEXT:
        emit(found, output)
        return
    headings = ["TENANT", "TOTAL", "AVAILABLE", "IN-USE", "OFFLINE", "DRAINING", "CALLS", "MAXIMUM", "USED"]
    rows = [
        [
            pool["tenant"],
            *(str(pool[name]) for name in ("total", "available", "in_use", "offline", "draining", "active_calls")),
            "" if pool["maximum"] is None else str(pool["maximum"]),
            f"{pool['utilization']:.0%}",
        ]
        for pool in found
    ]
    styles = [[None, None, None if pool["available"] else "red", *[None] * 6] for pool in found]
    show_table(headings, [[harmless(cell) for cell in row] for row in rows], styles)


def show(
    tenant: Tenant,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and show what changes.")] = False,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show every extension of a tenant: what it does, and who holds it since when.

    Examples:
        dialplane pool show acme
        dialplane pool show acme --watch
        dialplane pool show acme -o json | jq -r '.extensions[] | select(.state == "in_use") | .agent_id'
    """
    if watch and output is not Format.TEXT:
        raise Unusable("--watch is for people: leave it out, or -o")
    api = connect(url, token_file, state_dir)
    pool = _pool(api, tenant)
    if output is not Format.TEXT:
        emit(pool, output)
    elif not watch:
        rows = [_row(extension) for extension in pool["extensions"]]
        show_table(HEADINGS, rows, [_styles(extension) for extension in pool["extensions"]])
        say(_totals(pool), "bold")
    else:
        _watch(api, tenant, pool)


HEADINGS: Final = ["NUMBER", "STATE", "AGENT", "CUSTOMER", "CALL", "SINCE", "ID"]


def _pool(api: "ApiClient", tenant: str) -> dict[str, Any]:
    """A tenant's pool: its statistics, and every extension with the call that holds it."""
    path = "/infinity/extensions"
    standing = api.get(f"{path}/statistics", tenant=tenant)["items"]
    if not standing:
        raise Refused(f"there is no pool of {tenant}: `dialplane pool list` shows those there are")
    extensions = list(api.items(path, ALL, tenant=tenant))
    calls = {}
    if any(extension["call"] for extension in extensions):
        for state in LIVE:  # in their order: a call that moves on meanwhile is found in its newer state
            found = api.items("/infinity/call-records", ALL, tenant=tenant, state=state)
            calls.update({call["id"]: call for call in found})
    for extension in extensions:
        call = calls.get(extension["call"], {})
        extension["customer_number"] = call.get("customer_number")
        extension["call_state"] = call.get("state")
    return {**standing[0], "extensions": extensions}


def _row(extension: dict[str, Any]) -> list[str]:
    since = extension["since"]
    cells = [
        extension["number"],
        extension["state"],
        extension["agent_id"] or "",
        extension["customer_number"] or "",
        extension["call_state"] or "",
        f"{at(since)} ({lasting(ago(since))})" if since else "",
        extension["call"] or "",
    ]
    return [harmless(cell) for cell in cells]


def _styles(extension: dict[str, Any]) -> list[str | None]:
    return [None, COLOURS.get(extension["state"]), *[None] * 5]


def _totals(pool: dict[str, Any]) -> str:
    counts = Counter({name: pool[name] for name in ("available", "in_use", "offline", "draining")})
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count or name == "available"]
    most = "" if pool["maximum"] is None else f" of {pool['maximum']} at most"
    return f"{pool['total']} extensions: {', '.join(parts)}; {pool['active_calls']} calls{most}"


def _watch(api: "ApiClient", tenant: str, pool: dict[str, Any]) -> None:
    """Until Ctrl-C: a table that is drawn anew on a terminal; in a pipe a line for whatever changes."""
    if sys.stdout.isatty():
        from rich.live import Live

        with Live(_view(pool, ""), console=console(), auto_refresh=False, screen=False) as live:
            _again(api, tenant, lambda newer, said: live.update(_view(newer or pool, said), refresh=True))
        return
    seen: dict[str, list[str]] = {}

    def tell(newer: dict[str, Any] | None, said: str) -> None:
        if said:
            warn(said)
        for extension in (newer or {}).get("extensions", []):
            row = _row(extension)
            if seen.get(row[0]) is None or _steady(seen[row[0]]) != _steady(row):
                say("   ".join(cell or "-" for cell in row))
            seen[row[0]] = row
        sys.stdout.flush()

    tell(pool, "")
    _again(api, tenant, tell)


def _steady(row: list[str]) -> list[str]:
    """A row without the time that passes."""
    return [cell for heading, cell in zip(HEADINGS, row, strict=True) if heading != "SINCE"]


def _again(api: "ApiClient", tenant: str, tell: Callable[[dict[str, Any] | None, str], None]) -> None:
    while True:
        time.sleep(WATCH_SECONDS)
        try:
            tell(_pool(api, tenant), "")
        except NoAnswer as error:
            tell(None, str(error))


def _view(pool: dict[str, Any], said: str) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    room = max(1, console().height - ROWS_AROUND)
    order = sorted(pool["extensions"], key=lambda each: (each["state"] not in _FIRST, each["number"]))
    shown = order[:room]
    parts: list[RenderableType] = [table(HEADINGS, [_row(each) for each in shown], [_styles(each) for each in shown])]
    if len(order) > room:
        parts.append(Text(f"… and {len(order) - room} more", style="dim"))
    parts.append(Text(_totals(pool), style="bold"))
    if said:
        parts.append(Text(said, style="red"))
    return Group(*parts)


def offline(
    numbers: Numbers,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Take extensions out of service: they take no new call, and one that goes on ends in peace.

    Example:
        dialplane pool offline 8007 8008
    """
    _put(connect(url, token_file, state_dir), numbers, "offline", output)


def online(
    numbers: Numbers,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Put extensions back into service.

    Example:
        dialplane pool online 8007 8008
    """
    _put(connect(url, token_file, state_dir), numbers, "available", output)


def _put(api: "ApiClient", numbers: list[str], state: str, output: Format) -> None:
    paths = [f"/infinity/extensions/{_number(number)}" for number in numbers]
    later = f", {state} as soon as that call is over" if state == "offline" else ""
    _print((api.put(path, {"state": state}) for path in paths), output, later)


def release(
    numbers: Annotated[
        list[str],
        typer.Argument(
            metavar="NUMBER",
            help="Of extensions.",
            autocompletion=names("/infinity/extensions", "number", limit=200),
        ),
    ] = [],  # noqa: B006 -- typer copies it
    agent: Annotated[str | None, typer.Option("--agent", metavar="ID", help="All that this agent holds.")] = None,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Free extensions by hand: their calls are over for us. The platform is not told: people who speak go on speaking.

    Examples:
        dialplane pool release 8007
        dialplane pool release --agent ada
    """
    if bool(numbers) == (agent is not None):
        raise Unusable("say what to release: either NUMBER… or --agent ID")
    api = connect(url, token_file, state_dir)
    if agent is None:
        paths = [f"/infinity/extensions/{_number(number)}/release" for number in numbers]
        _print((api.post(path) for path in paths), output, "")
        return
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", agent):
        raise Unusable(f"{agent!r} is no agent's id")
    calls = api.post(f"/infinity/extensions/force-release/{agent}")["items"]
    if output is not Format.TEXT:
        emit(calls, output)
        return
    for call in calls:
        say(harmless(f"{call['extension_number']}: released, {call['id']} to {call['customer_number']} is over for us"))
    if not calls:
        say(f"{agent} holds no extension")


def _print(found: Iterable[dict[str, Any]], output: Format, later: str) -> None:
    """What was done, each as it is: where the next one is refused, those before it are done and must be told of."""
    if output is not Format.TEXT:
        done: list[dict[str, Any]] = []
        try:
            for extension in found:
                done.append(extension)  # noqa: PERF402 -- kept where the next one raises
        finally:
            if done:
                emit(done, output)
        return
    for extension in found:
        held = f", {extension['call']} holds it{later}" if extension["call"] else ""
        say(harmless(f"{extension['number']}: {extension['state']}{held}"), COLOURS.get(extension["state"]))


def _number(given: str) -> str:
    if not _NUMBER.match(given):
        raise Unusable(f"{given!r} is no number of an extension: `dialplane pool show TENANT` shows them")
    return given


app.callback(help=kept(root.__doc__))(root)
for _name, _command in (
    ("list", list_),
    ("show", show),
    ("offline", offline),
    ("online", online),
    ("release", release),
):
    app.command(_name, help=kept(_command.__doc__))(_command)
