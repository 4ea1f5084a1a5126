"""The state directory: where `run` keeps what Kubernetes would keep, and where `get` looks for it."""

import os
from pathlib import Path
from typing import Annotated

import typer

StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="DIALPLANE_STATE_DIR",
        metavar="DIR",
        help="Statuses and generated credentials. [default: /var/lib/dialplane as root, else ~/.local/state/dialplane]",
        show_default=False,
    ),
]


def state_directory(given: Path | None) -> Path:
    """The state directory: as given, else the system's for root and the user's own otherwise (XDG)."""
    if given is not None:
        return given
    if os.geteuid() == 0:
        return Path("/var/lib/dialplane")
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "dialplane"
