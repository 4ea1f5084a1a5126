"""Secrets as files `NAME/KEY` below a folder, as Kubernetes mounts them, each read when it is used.

So a value that changes is seen, also where Kubernetes puts another folder in the place of the one before by links.
"""

import errno
import re
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from dialplane.standalone.files import read_file

log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"[a-z0-9][-.a-z0-9]{0,252}")
_KEY: Final = re.compile(r"(?!\.{1,2}\Z)[-._a-zA-Z0-9]{1,253}")


class SecretFolder:
    """Implements `SecretSource`."""

    def __init__(self, root: Path) -> None:
        """Read below `root`, which may be filled later."""
        self._root = root
        self._flaws: dict[str, str] = {}

    def value(self, name: str, key: str) -> SecretStr | None:
        """See `SecretSource.value`; the one newline at the end of a file is no part of its value."""
        if not _NAME.fullmatch(name) or not _KEY.fullmatch(key):
            return None
        path = self._root / name / key
        if not _is_there(path):
            return None
        file = read_file(path)
        self._note(f"{name}/{key}", file.flaw)
        if file.flaw:
            return None
        return SecretStr(file.data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r"))

    def _note(self, place: str, flaw: str) -> None:
        if flaw and self._flaws.get(place) != flaw:
            log.warning("secret unreadable", secret=place, reason=flaw)
        self._flaws[place] = flaw


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENOTDIR}
    return True
