"""The option that says where the store is; apart from what else a site's process takes, which knows Asterisk."""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from dialplane.cli.errors import Unusable

StoreUrlFile = Annotated[
    Path | None,
    typer.Option(
        "--store-url-file",
        metavar="FILE",
        help="Holds the URL of the database of messages, notifications and calls, such as postgresql://user:password@host/db."
        " [default: $DIALPLANE_STORE_URL, else a SQLite file]",
        show_default=False,
    ),
]


def store_url(file: Path | None, default: Path | None = None) -> SecretStr:
    """The database's URL: from a file, else from the environment, else a SQLite file at `default`.

    Raises:
        Unusable: the file cannot be read; there is neither and no default.
    """
    if file is None:
        url = os.environ.get("DIALPLANE_STORE_URL", "")
        if not url and default is None:
            raise Unusable("say where the leader's database is: --store-url-file, or DIALPLANE_STORE_URL")
        return SecretStr(url or f"sqlite:///{default and default.absolute()}")
    try:
        return SecretStr(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"cannot read {file}: {error}") from None
