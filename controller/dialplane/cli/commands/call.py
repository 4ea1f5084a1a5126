"""`dialplane call`: places a call over a tenant's pool and shows its life; and the calls there were."""

import contextlib
import re
import secrets
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from dialplane.cli.call_outcome import COLOURS, RUNG, ending, step, verdict
from dialplane.cli.client.call_follow import life
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import (
    Limit,
    OfCampaign,
    OfTenant,
    Output,
    Since,
    Tenant,
    TokenFile,
    Until,
    Url,
    moment_given,
)
from dialplane.cli.durations import at, lasting
from dialplane.cli.errors import Exhausted, ExitCode, NoAnswer, NotSent, OutcomeUnknown, Refused, Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, console, emit, say, show_table, warn
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import Answer, ApiClient

Call = dict[str, Any]

PLACE: Final = "place"
ANSWER_WITHIN: Final = 45.0
"""Seconds for the platform's answer, beyond what the call may wait for an extension."""
REDRAWS: Final = 4
"""A second, of the panel."""
_CALL_ID: Final = re.compile(r"call-[0-9a-f]{20}\Z")


class _Group(TyperGroup):
    """`call TENANT …` means `call place TENANT …`; whoever has a tenant called `list` says `place`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the word in that was left out."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = [PLACE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Calls over leased extensions: place one and watch it, or look at those there were.

    They talk to the API of `dialplane run`, or to that at --url. `call TENANT …` is short for `call place TENANT …`.

    Examples:
        dialplane call acme --agent ada --callback +15550101 --to +15550111
        dialplane call list --tenant acme --outcome Answered
    """


def place(
    tenant: Tenant,
    agent: Annotated[str, typer.Option("--agent", metavar="ID", help="Who speaks with the customer.")],
    callback: Annotated[
        str, typer.Option("--callback", metavar="NUMBER", help="The agent's telephone, which is rung first.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="NUMBER", help="Whom to call.")],
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="What the call is about.")] = None,
    param: Annotated[
        list[str], typer.Option("--param", metavar="NAME=TEXT", help="Kept with the call; as often as you like.")
    ] = [],  # noqa: B006 -- typer copies it
    caller: Annotated[
        str | None,
        typer.Option("--caller", metavar="NUMBER", help="The number that the customer sees, one of the tenant's."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, max=60, help="How long to wait for a free extension."),
    ] = 0.0,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="KEY", help="Your own name for this call: it is placed once."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Show its life, until it is over.")] = True,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Place a call: the agent is rung, then the customer. Ctrl-C leaves the call alone.

    Exit code 0: somebody answered, and it is over (with --no-follow: the platform took it). 1: refused, or released by
    hand. 2: no API, or a wrong command line. 3: nobody answered. 4: it was not sent, so nobody was rung: try again.
    5: nobody knows how it ended; the customer may have been rung. 6: no extension is free. 130: you went, it goes on.

    Examples:
        dialplane call acme --agent ada --callback +15550101 --to +15550111
        dialplane call acme --agent ada --callback +15550101 --to +15550111 --case case-4711 --wait 30
        dialplane call acme --agent ada --callback +15550101 --to +15550111 --no-follow -o json
    """
    body: dict[str, Any] = {
        "tenant": tenant,
        "agent_id": agent,
        "callback_number": callback,
        "customer_number": to,
        "custom_params": dict(map(_param, param)),
        "wait_seconds": wait,
    }
    body |= {"case_id": case} if case is not None else {}
    body |= {"caller_number": caller} if caller is not None else {}
    if key is not None and not re.fullmatch(r"[!-~]{1,160}", key):
        raise Unusable("--idempotency-key has 1 to 160 printable ASCII characters, no blanks")
    api, key = connect(url, token_file, state_dir), key or secrets.token_hex(16)
    call = _placed(api, body, key, wait + ANSWER_WITHIN)
    try:
        _show(api, call, output, follow=follow)
    except KeyboardInterrupt:
        warn(f"the call goes on: `dialplane call show {call['id']}` shows it")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _param(given: str) -> tuple[str, str]:
    name, equals, text = given.partition("=")
    if not name or not equals:
        raise Unusable(f"--param {given!r} is not NAME=TEXT")
    return name, text


def _placed(api: "ApiClient", body: dict[str, Any], key: str, within: float) -> Call:
    again = f"ask again with --idempotency-key {key}, and nobody is rung twice"
    try:
        answer = api.ask("POST", "/infinity/make-call", json=body, headers={"Idempotency-Key": key}, timeout=within)
    except NoAnswer as error:
        if not error.heard:
            raise
        raise OutcomeUnknown(f"{error}; {RUNG['maybe']}: {again}") from None
    except KeyboardInterrupt:
        warn(f"{RUNG['maybe']}: {again}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return _taken(api, answer)


def _taken(api: "ApiClient", answer: "Answer") -> Call:
    """The call; one whose answer from the platform was lost may go on all the same."""
    call_id, rung = answer.member("call_id"), RUNG.get(str(answer.member("customer_rung")), "")
    said = "; ".join(filter(None, (answer.detail, rung)))
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise Exhausted(f"{answer.detail}; {_held(answer)}")
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.CONFLICT | HTTPStatus.UNPROCESSABLE_ENTITY if rung:
            raise Refused(said)
        case HTTPStatus.SERVICE_UNAVAILABLE if rung:
            raise NotSent(f"{said}, it may be tried again")
        case HTTPStatus.GATEWAY_TIMEOUT if call_id:
            warn(said)
            found: Call = api.get(f"/infinity/calls/{call_id}")
            return found
    made: Call = api.result(answer)
    if answer.status == HTTPStatus.OK:
        warn(f"this key was used before, at {at(made['reserved_at'])}: nobody is rung again")
    return made


def _held(answer: "Answer") -> str:
    counts = (f"{answer.member(name)} {words}" for name, words in (("in_use", "in use"), ("available", "free")))
    return f"{', '.join(counts)}, {answer.member('maximum')} calls at most: --wait SECONDS waits for one"


def _show(api: "ApiClient", call: Call, output: Format, *, follow: bool) -> None:
    """Print the call, or with `follow` its life, and end as it ends."""
    text = output is Format.TEXT
    if follow:
        with _shown(call, text=text) as show:
            for newer in life(api, call):
                call = newer
                show(call)
    if not text:
        emit(call, output)
    elif not follow:
        say(call["id"])
    unknown = call["answer_lost"] and call["state"] != "released"
    error = verdict(call) if call["state"] == "released" else None
    if unknown and not follow:
        error = OutcomeUnknown(f"{call['id']}: nobody knows whether the platform took it; {RUNG['maybe']}")
    if error is not None:
        raise error


@contextlib.contextmanager
def _shown(call: Call, *, text: bool) -> Iterator[Any]:
    """How each step is shown: a panel that lives on a terminal, a line in a pipe."""
    if not text:
        yield lambda _: None
        return
    if not sys.stdout.isatty():
        say(call["id"])
        yield _line
        return
    from rich.live import Live

    from dialplane.cli.call_panel import CallPanel

    panel = CallPanel(call)
    with Live(panel, console=console(), refresh_per_second=REDRAWS, redirect_stdout=False) as live:

        def show(newer: Call) -> None:
            panel.call = newer
            live.refresh()

        yield show


def _line(call: Call) -> None:
    say(f"{at(_moment(call))}  {step(call)}")
    sys.stdout.flush()


def _moment(call: Call) -> str:
    names_ = {"dialing": "dialing_at", "active": "answered_at", "released": "released_at"}
    return str(call[names_.get(call["state"], "reserved_at")] or call["reserved_at"])


def list_(
    tenant: OfTenant = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="ID", help="Only those of this agent.")] = None,
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="Only those about this case.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="NUMBER", help="Only those to this number.")] = None,
    campaign: OfCampaign = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only reserved, dialing, active or released ones.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="OUTCOME", help="Only those that ended so, such as Answered.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List calls, the newest first, those that go on among them.

    Examples:
        dialplane call list --tenant acme --state active
        dialplane call list --campaign spring --outcome NotAnswered --since 2026-04-01
        dialplane call list -n 10000 -o json | jq -r '.[] | [.customer_number, .talk_seconds] | @csv'
    """
    api = connect(url, token_file, state_dir)
    found = list(
        api.items(
            "/infinity/call-records",
            limit,
            tenant=tenant,
            agent=agent,
            case=case,
            destination=to,
            campaign=campaign,
            state=state,
            outcome=outcome,
            since=moment_given(since, "--since"),
            until=moment_given(until, "--until"),
        )
    )
    if output is not Format.TEXT:
        emit(found, output)
        return
    rows = [
        [
            at(call["reserved_at"]), call["tenant"], call["extension_number"], call["agent_id"],
            call["customer_number"], call["outcome"] or call["state"], _span(call["ring_seconds"]),
            _span(call["talk_seconds"]), call["id"],
        ]
        for call in found
    ]  # fmt: skip
    styles = [[None] * 5 + [COLOURS.get(call["outcome"] or call["state"])] + [None] * 3 for call in found]
    headings = ["BEGUN", "TENANT", "EXT", "AGENT", "CUSTOMER", "STATE", "RING", "TALK", "ID"]
    show_table(headings, [[harmless(cell) for cell in row] for row in rows], styles)


def show(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="Of a call, as `list` shows it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its life, until it is over.")] = False,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Show one call; with --follow what becomes of it, ending as `call` does.

    Examples:
        dialplane call show call-4f0c… -o yaml
        dialplane call show call-4f0c… --follow
    """
    if not _CALL_ID.match(call_id):
        raise Unusable(f"{call_id!r} is no id of a call: `dialplane call list` shows them")
    api = connect(url, token_file, state_dir)
    call = api.get(f"/infinity/calls/{call_id}")
    if follow:
        try:
            _show(api, call, output, follow=True)
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    elif output is not Format.TEXT:
        emit(call, output)
    else:
        _describe(call)


def _describe(call: Call) -> None:
    over = call["state"] == "released"
    say(f"{call['id']}: {ending(call) if over else call['state']}", COLOURS.get(call["outcome"] or call["state"]))
    for name, value in call.items():
        if name.endswith("_at") and value:
            say(f"{name}: {at(value)}")
        elif name == "custom_params":
            for key, text in value.items():
                say(harmless(f"{key}: {text}"))
        elif name not in {"id", "state", "deadline"} and value not in {None, False}:
            say(harmless(f"{name}: {value}"))


def _span(seconds: int | None) -> str:
    return "" if seconds is None else lasting(seconds)


app.callback(help=kept(root.__doc__))(root)
for _name, _command in ((PLACE, place), ("list", list_), ("show", show)):
    app.command(_name, help=kept(_command.__doc__))(_command)
