"""The state directory: where `run` keeps what Kubernetes would keep, and where `get` looks for it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Annotated, Final

import typer

from dialplane.cli.errors import Unusable

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


API_TOKENS: Final = "api-tokens"
"""Its folder of tokens for the API; `local` is the one that `sms` and `notifications` use."""
API_URL: Final = "api-url"
"""Its file that says where `run` serves the API."""
DEVICE_URL: Final = "device-url"
"""Its file that says where devices connect to `run`."""
_LOCK: Final = "lock"
STORE: Final = "store.db"
"""Its database of messages and notifications."""
CACHE: Final = "cache"
"""Its folder for what can be made again, such as prompts of bots."""


def announce_api(state: Path, sock: socket) -> None:
    """Write down where the API is served, for the commands on this machine.

    Raises:
        OSError: the state directory cannot be written.
    """
    _announce(state / API_URL, "http", sock)


def announce_devices(state: Path, sock: socket) -> None:
    """Write down where devices connect.

    Raises:
        OSError: the state directory cannot be written.
    """
    _announce(state / DEVICE_URL, "ws", sock)


def _announce(path: Path, scheme: str, sock: socket) -> None:
    host, port = sock.getsockname()[:2]
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 -- not bound
    made = path.with_name(f".{path.name}")
    made.write_text(f"{scheme}://{reached}:{port}\n", encoding="ascii")
    made.replace(path)


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the lock of the state directory: two controllers would undo each other's work.

    Raises:
        Unusable: another process holds it, or the directory cannot be made.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(f"cannot use the state directory {state}: {error.strerror} (see --state-dir)") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _forget_addresses(state)  # of a run that was killed
        try:
            yield
        finally:
            _forget_addresses(state)
    except BlockingIOError:
        raise Unusable(f"another `dialplane run` uses {state}: stop it, or choose another --state-dir") from None
    finally:
        os.close(handle)


def _forget_addresses(state: Path) -> None:
    for name in (API_URL, DEVICE_URL):
        (state / name).unlink(missing_ok=True)


def is_running(state: Path) -> bool:
    """Whether some `dialplane run` holds the lock of the state directory."""
    try:
        handle = os.open(state / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
