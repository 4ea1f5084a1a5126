"""A process of its own that brings one branch of a Git repository up to date, so that a hard time limit holds.

A thread that hangs in a socket cannot be ended; a process can. It takes its orders as JSON on standard input (so that
no credential is in the process list) and answers with one line of JSON: `{"commit": …}` or `{"error": …}`.
"""

import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dulwich.client import HTTPUnauthorized, get_transport_and_path
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.repo import Repo

HEAD = b"refs/heads/"


class FetchFailed(Exception):
    """The branch could not be brought up to date: the message names the cure."""


def fetch(order: dict[str, Any]) -> str:
    """Bring `order["cache"]` up to date; the id of the branch's commit.

    Raises:
        FetchFailed: with a message for the user, free of credentials.
    """
    cache, branch = Path(order["cache"]), order["branch"]
    options = {key: order[key] for key in ("username", "password") if order.get(key)}
    try:
        client, path = get_transport_and_path(order["url"], **({} if _is_local(order["url"]) else options))
    except (ValueError, NotGitRepository) as error:
        raise FetchFailed(f"not an address of a Git repository: {error}") from None
    ref = HEAD + branch.encode()

    def wants(refs: Any, depth: int | None = None) -> list[Any]:  # noqa: ARG001 -- dulwich's signature
        if ref not in refs:
            known = ", ".join(sorted(name[len(HEAD) :].decode() for name in refs if name.startswith(HEAD))[:10])
            raise FetchFailed(f"there is no branch {branch}: use one of {known or '(the repository is empty)'}")
        return [refs[ref]]

    with _repository(cache) as repository:
        result = client.fetch(path, repository, determine_wants=wants)
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
    order = json.load(sys.stdin)
    try:
        answer = {"commit": fetch(order)}
    except (FetchFailed, GitProtocolError, NotGitRepository, OSError, ValueError, KeyError) as error:
        answer = {"error": _said(error)}
    except Exception as error:  # noqa: BLE001 -- urllib3 and dulwich raise many kinds; each becomes the parent's one line
        answer = {"error": _said(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
