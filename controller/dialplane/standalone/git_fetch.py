"""A process of its own that brings one branch of a Git repository up to date, so that a time limit holds.

A thread that hangs in a socket cannot be ended; a process can. It takes its orders as JSON on standard input (so that
no credential is in the process list). Each line that it answers is a JSON object, and a sign of life: `{"progress": …}`
while something comes in, `{}` for each second of computing, in the end `{"commit": …}` or `{"error": …}`.

Only the branch's newest commit is fetched, without its history, as far as the server can do that.
"""

import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dulwich.client import HTTPUnauthorized, get_transport_and_path
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.repo import Repo

HEADS: Final = b"refs/heads/"
PACKS_LIMIT: Final = 50
"""Each fetch leaves a pack behind. With that many of them the copy is made again."""
SHOWN_LIMIT: Final = 120


class FetchFailed(Exception):
    """The branch could not be brought up to date: the message names the cure."""


def fetch(order: dict[str, Any]) -> str:
    """Bring `order["cache"]` up to date; the id of the branch's commit.

    Raises:
        FetchFailed: with a message for the user, free of credentials.
    """
    cache = Path(order["cache"])
    try:
        commit = _fetched(order, cache, depth=1)
        if len(list(cache.glob("objects/pack/*.pack"))) <= PACKS_LIMIT:
            return commit
        depth: int | None = 1
    except GitProtocolError as error:
        if "shallow" not in str(error):
            raise
        depth = None  # an old server: all of the history
    new = cache.with_name(f"{cache.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    commit = _fetched(order, new, depth=depth)
    shutil.rmtree(cache)
    new.rename(cache)
    return commit


def _fetched(order: dict[str, Any], cache: Path, *, depth: int | None) -> str:
    branch = order["branch"]
    options = {key: order[key] for key in ("username", "password") if order.get(key)}
    try:
        client, path = get_transport_and_path(order["url"], **({} if _is_local(order["url"]) else options))
    except (ValueError, NotGitRepository) as error:
        raise FetchFailed(f"not an address of a Git repository: {error}") from None
    ref = HEADS + branch.encode()
    with _repository(cache) as repository:

        def wants(refs: Any, depth: int | None = None) -> list[Any]:  # noqa: ARG001 -- dulwich's signature
            if ref not in refs:
                known = ", ".join(sorted(n[len(HEADS) :].decode() for n in refs if n.startswith(HEADS))[:10])
                raise FetchFailed(f"there is no branch {branch}: use one of {known or '(the repository is empty)'}")
            return [] if refs[ref] in repository.object_store else [refs[ref]]

        result = client.fetch(
            path, repository, determine_wants=wants, progress=_progress, depth=depth, ref_prefix=[HEADS]
        )
        commit = result.refs[ref]
        if commit is None or commit not in repository.object_store:
            raise FetchFailed(f"branch {branch} came incomplete: it is fetched again")
        repository.refs[ref] = commit
        return str(commit.decode())


def _is_local(url: str) -> bool:
    return urlsplit(url).scheme in {"", "file"}


def _repository(cache: Path) -> Repo:
    try:
        return Repo(str(cache))
    except NotGitRepository:
        if cache.exists():
            shutil.rmtree(cache)
        cache.mkdir(parents=True, mode=0o700)
        return Repo.init_bare(str(cache))


def _progress(said: bytes) -> None:
    """Tell the newest line of the server's or the library's words, which may be anything."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    shown = "".join(character if character.isprintable() else "?" for character in (lines or [""])[-1])
    _answer({"progress": shown[:SHOWN_LIMIT]})


def _answer(line: dict[str, str]) -> None:
    """Write one line at once: a signal's handler may interrupt a buffer in the middle of a line, but not this."""
    os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")


def _said(error: Exception) -> str:
    if isinstance(error, FetchFailed):
        return str(error)
    if isinstance(error, HTTPUnauthorized):
        return (
            "the server asks for credentials, or refuses these: set DIALPLANE_GIT_USERNAME and DIALPLANE_GIT_PASSWORD"
        )
    if isinstance(error, NotGitRepository):
        return "there is no Git repository at that address: correct --git"
    if isinstance(error, HangupException):
        return "the server closed the connection: check the address and the credentials"
    return f"{type(error).__name__}: {error}"


def main() -> None:
    """Read the order, fetch, answer."""
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=10")
    os.environ["GIT_TERMINAL_PROMPT"] = "0"
    signal.signal(signal.SIGPROF, lambda *_: _answer({}))
    order = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_PROF, 1.0, 1.0)  # of computing: what waits for a socket is silent
    try:
        answer = {"commit": fetch(order)}
    except (FetchFailed, GitProtocolError, NotGitRepository, OSError, ValueError, KeyError) as error:
        answer = {"error": _said(error)}
    except Exception as error:  # noqa: BLE001 -- urllib3 and dulwich raise many kinds; each becomes the parent's one line
        answer = {"error": _said(error)}
    _answer(answer)


if __name__ == "__main__":
    main()
