"""Where the commands that ask the API find it: by options, the environment, or the state directory of `run`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dialplane.cli.errors import Unusable
from dialplane.cli.output import warn
from dialplane.cli.state import API_TOKENS, API_URL, is_running, state_directory
from dialplane.standalone.files import read_file

TOKEN: Final = "DIALPLANE_TOKEN"  # noqa: S105 -- the name of a variable


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is, and as whom to ask."""

    url: str
    token: str
    here: bool = False
    """On this very machine: whatever proxies the environment names are not asked."""

    def __repr__(self) -> str:
        return f"Place({self.url!r})"


def place(url: str | None, token_file: Path | None, state_dir: Path | None) -> Place:
    """The API's place. The token of this machine's `run` goes to no other place.

    Raises:
        Unusable: no URL or no token is to be found.
    """
    state = state_directory(state_dir)
    token = _token(token_file) if token_file is not None else os.environ.get(TOKEN, "")
    if url is None:
        if not is_running(state):  # whoever took its port since then must not be shown its token
            raise Unusable(f"no `dialplane run` works with {state}: start it, or say --url, or --state-dir")
        found = read_file(state / API_URL)
        if found.flaw:
            raise Unusable(
                f"the `dialplane run` of {state} serves no API yet: it begins some seconds after its start, and only"
                " where the site has modems, Notifiers, calls or devices and --listen is not ''; or say --url"
            )
        url = found.data.decode("utf-8", "replace").strip()
        token = token or _token(state / API_TOKENS / "local")
    if not token:
        raise Unusable(f"without a token: set {TOKEN}, or say --token-file FILE")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Unusable("the token is not one word of plain ASCII: does the file hold something else?")
    here = _is_here(url)
    if not here and url.startswith("http:"):
        warn("the token and the messages go through the network for all to read: use https")
    return Place(url.rstrip("/"), token, here=here)


def _is_here(url: str) -> bool:
    """Whether it is this machine; raises Unusable where it is no place at all."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise Unusable("--url is http://HOST:PORT or https://HOST, without a name or password")
    return parts.hostname in {"localhost", "127.0.0.1", "::1"}


def _token(path: Path) -> str:
    """The first line; those after it are the token's scopes."""
    file = read_file(path)
    if file.flaw:
        raise Unusable(f"{path}: {file.flaw}")
    return next(iter(file.data.decode("utf-8", "replace").strip().splitlines()), "")
