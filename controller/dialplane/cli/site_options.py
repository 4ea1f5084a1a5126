"""What both front doors take from the process that runs them."""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from dialplane.cli.errors import Unusable
from dialplane.reconcile.site import AmiDefaults

ApiTokens = Annotated[
    Path | None,
    typer.Option(
        "--api-tokens",
        metavar="DIR",
        help="A folder of API tokens: a file's name is the token's name, its first line the token, each further line"
        " a scope.",
    ),
]


def ami_defaults() -> AmiDefaults:
    """The variables `ASTERISK_AMI_*`, for whatever the manifest's `ami` leaves out."""
    env = os.environ
    given = AmiDefaults()
    port = env.get("ASTERISK_AMI_PORT", "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):  # noqa: PLR2004 -- the last port
        raise Unusable(f"ASTERISK_AMI_PORT is {port!r}: it must be a port")
    return AmiDefaults(
        host=env.get("ASTERISK_AMI_HOST") or given.host,
        port=int(port) if port else given.port,
        username=env.get("ASTERISK_AMI_USERNAME", ""),
        secret=SecretStr(env.get("ASTERISK_AMI_PASSWORD", "")),
        calls_username=env.get("ASTERISK_AMI_CALLS_USERNAME", ""),
        calls_secret=SecretStr(env.get("ASTERISK_AMI_CALLS_PASSWORD", "")),
    )
