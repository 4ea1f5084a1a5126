"""What the shell completes out of the API: names that are there now. Where it cannot be asked, nothing, in silence."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer

from dialplane.cli.client.connect import connect
from dialplane.cli.errors import CommandError

WITHIN: Final = 2.0
"""Seconds: who types does not wait for longer."""

Complete = Callable[[typer.Context, str], list[str]]


def names(path: str, field: str, **params: Any) -> Complete:
    """A completion by the field of each item of a list of the API."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        found = {str(item[field]) for item in _items(context.params, path, params)}
        return sorted(name for name in found if name.startswith(incomplete))

    return complete


def _items(given: dict[str, Any], path: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    url, token, state = (given.get(name) for name in ("url", "token_file", "state_dir"))
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            api = connect(url, _path(token), _path(state), attempts=1, within=WITHIN)
            return list(api.get(path, **params)["items"])
    except (CommandError, KeyError, TypeError):
        return []


def _path(given: Any) -> Path | None:
    return Path(given) if given else None
