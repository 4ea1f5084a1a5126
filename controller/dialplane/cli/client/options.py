"""The options and arguments of the commands that ask the API."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.client.completion import names
from dialplane.cli.client.discovery import TOKEN
from dialplane.cli.errors import Unusable
from dialplane.cli.output import Format

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="DIALPLANE_URL",
        metavar="URL",
        help="Where the API is. [default: that of `dialplane run` on this machine]",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help=f"Holds the token. [default: ${TOKEN}; without --url, that of `dialplane run`]",
        show_default=False,
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="text, json or yaml.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="So many at most.")]
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="TIME", help="Only those since then, such as 2026-04-03.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", metavar="TIME", help="Only those before then, such as 2026-04-04.")
]

Tenant = Annotated[
    str,
    typer.Argument(metavar="TENANT", help="The InfinityTenant.", autocompletion=names("/infinity/configs", "tenant")),
]
OfTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        help="Only those of this InfinityTenant.",
        autocompletion=names("/infinity/configs", "tenant"),
    ),
]
OfCampaign = Annotated[
    str | None,
    typer.Option(
        "--campaign",
        metavar="NAME",
        help="Only those of this Campaign.",
        autocompletion=names("/infinity/campaigns", "name"),
    ),
]


def moment_given(given: datetime | None, option: str) -> str | None:
    """A moment as it was typed, in the zone of this machine, for the API.

    Raises:
        Unusable: there is no such moment.
    """
    try:
        return given.astimezone().isoformat() if given else None
    except (ValueError, OverflowError):
        raise Unusable(f"{option}: it must be between the years 2 and 9998") from None
