"""Who may call the API: bearer tokens, one file each in a folder.

The file's name is the token's name, its first line the token, every further line one scope (see `scopes`): a mounted
Secret, or the folder that `dialplane run` makes. Only digests stay in memory, and all of them are compared, in constant
time.
"""

import hashlib
import hmac
import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from dialplane.api.scopes import BadScopeError, ScopeRule, Scopes, parse

SHORTEST: Final = 16
"""Characters of a token; a shorter one could be guessed and does not count."""
LONGEST: Final = 4096
FILE_LONGEST: Final = 64 * 1024
"""Bytes of a token with its scopes."""
LOCAL: Final = "local"
"""The name of the token that the command line finds by itself."""
TELL_SECONDS: Final = 60.0
"""Refused tokens are logged at most so often, with their number."""

_LOG = structlog.get_logger("dialplane.api")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever shows a token."""

    name: str
    """The token's."""
    scopes: Scopes


class Tokens:
    """The tokens of a folder, as it is now: changed files count at the next request."""

    def __init__(
        self, folder: Path, rules: Sequence[ScopeRule], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read `folder`; `rules` are the scopes that there are."""
        self._folder = folder
        self._rules = rules
        self._clock = clock
        self._seen: object = None
        self._known: dict[str, _Known] = {}
        self._refused = 0
        self._told = self._complained = -math.inf

    def holder_of(self, token: str) -> Holder | None:
        """Whose token it is, and what for; None where nobody has it."""
        self._read()
        digest = _digest(token)
        holder = None
        for name, known in self._known.items():
            if hmac.compare_digest(known.digest, digest):
                holder = Holder(name, known.scopes)
        if holder is None:
            self._tell()
        return holder

    def _tell(self) -> None:
        self._refused += 1
        if self._clock() - self._told >= TELL_SECONDS:
            _LOG.warning("requests without a valid token", number=self._refused)
            self._told, self._refused = self._clock(), 0

    def _read(self) -> None:
        try:
            files = sorted(path for path in self._folder.iterdir() if not path.name.startswith(".") and path.is_file())
            seen = [
                (path.name, about.st_ino, about.st_mtime_ns, about.st_size) for path in files for about in [path.stat()]
            ]
            if seen == self._seen:
                return
            self._known = {path.name: known for path in files if (known := _known(path, self._rules))}
        except OSError as error:
            # Those known so far stay: a Secret that is being exchanged must not lock everybody out.
            if self._clock() - self._complained >= TELL_SECONDS:
                self._complained = self._clock()
                _LOG.warning("tokens cannot be read", folder=str(self._folder), reason=error.strerror)
            return
        self._seen = seen
        _LOG.info("tokens read", names=sorted(self._known))


@dataclass(frozen=True, slots=True)
class _Known:
    """What a file holds."""

    digest: bytes
    """Of the token."""
    scopes: Scopes


def _known(path: Path, rules: Sequence[ScopeRule]) -> _Known | None:
    with path.open("rb") as file:
        whole = file.read(FILE_LONGEST + 1)
    lines = [line.strip() for line in whole.splitlines()]
    at = next((at for at, line in enumerate(lines) if line), 0)
    token = lines[at] if lines else b""
    if not SHORTEST <= len(token) <= LONGEST or len(whole) > FILE_LONGEST:
        _LOG.warning("a token does not count: it needs 16 to 4,096 characters", name=path.name)
        return None
    try:
        written = (line.decode("utf-8", "replace") for line in lines[at + 1 :])
        scopes = parse(enumerate(written, start=at + 2), rules)
    except BadScopeError as error:
        # Without its scopes it would be a token for everything.
        _LOG.warning("a token does not count: a line is no scope", file=str(path), line=error.line)
        return None
    return _Known(hashlib.sha256(token).digest(), scopes)


def matches(token: str, digest: bytes | None) -> bool:
    """Whether `token` is the one with this SHA-256; it takes as long where there is none to compare with."""
    same = hmac.compare_digest(_digest(token), digest or bytes(32))
    return same and digest is not None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def make_local_token(folder: Path) -> Path:
    """The file of the token `local`, made where there is none; only its owner may read it.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / LOCAL
    if not path.exists():
        made = folder / f".{LOCAL}.{secrets.token_hex(4)}"
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        made.rename(path)
    return path
