"""`dialplane bot calls`: the calls of bots."""

from typing import Annotated, Final

import typer

from dialplane.cli.bot import call_view as view
from dialplane.cli.bot.caller_number import plain_number
from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, OfCampaign, Output, Since, TokenFile, Until, Url, moment_given
from dialplane.cli.errors import Unusable
from dialplane.cli.output import Format, emit, show_table
from dialplane.cli.state import StateDir

OUTCOMES: Final = ("completed", "transferred", "hung_up", "fallback", "lost")


def calls(
    bot: Annotated[
        str | None,
        typer.Option(
            "--bot",
            metavar="NAME",
            help="Only those of this VoiceBot.",
            autocompletion=names("/bots/calls", "bot", limit=200),
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            help=f"Only those that ended so: {', '.join(OUTCOMES)}.",
            autocompletion=lambda incomplete: [each for each in OUTCOMES if each.startswith(incomplete)],
        ),
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--over", help="Only those that go on, or are over.", show_default=False)
    ] = None,
    caller: Annotated[
        str | None, typer.Option("--caller", metavar="NUMBER", help="Only those from or to this number.")
    ] = None,
    campaign: OfCampaign = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List calls of bots, the newest first.

    Examples:
        dialplane bot calls --bot reception --outcome fallback
        dialplane bot calls --since 2026-04-03 -n 100000 -o json | jq -r '.[] | [.caller, .outcome] | @csv'
    """
    if outcome is not None and outcome not in OUTCOMES:
        raise Unusable(f"--outcome {outcome!r} is none: there are {', '.join(OUTCOMES)}")
    params = {
        "bot": bot,
        "outcome": outcome,
        "active": active,
        "caller": plain_number(caller) if caller is not None else None,
        "campaign": campaign,
        "since": moment_given(since, "--since"),
        "until": moment_given(until, "--until"),
    }
    found = list(connect(url, token_file, state_dir).items("/bots/calls", limit, **params))
    if output is not Format.TEXT:
        emit(found, output)
        return
    show_table(view.HEADINGS, [view.row(each) for each in found], [view.styles(each) for each in found])
