"""Credentials that the controller made itself (`generateCredentials`): files `NAME/KEY` below the state directory.

Laid out like `--secrets-dir`, so that they are read the same way and a person finds a phone's password with `cat`. They
stay when the extension goes, as a wrong deletion that is reverted should not lock out every phone; remove the folder to
have new ones made.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from dialplane.resources.key import Key

OWNER: Final = ".owner"

_NAME: Final = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")
_KEY: Final = re.compile(r"[a-zA-Z0-9_-][-._a-zA-Z0-9]{0,252}")
_LOG = structlog.get_logger("dialplane.credentials")


class CredentialsFolder:
    """The folder of generated Secrets; `tell` is called after a new one, so that the source reads it."""

    def __init__(self, root: Path, tell: Callable[[], None] = lambda: None) -> None:
        self.root = root
        self._tell = tell

    async def create(self, name: str, values: Mapping[str, str], owner: Key) -> None:
        """See `ports.CredentialsStore`. All of a Secret appears at once, or nothing of it.

        Raises:
            OSError: the state directory cannot be written.
            ValueError: a name that is no name; never from a manifest, whose names were checked.
        """
        if not _NAME.fullmatch(name) or not all(_KEY.fullmatch(key) for key in values):
            raise ValueError(f"{name} cannot be the name of a Secret")
        if not await asyncio.to_thread(self._make, name, {**values, OWNER: str(owner)}):
            return
        _LOG.info("credentials made", secret=name, resource=str(owner))
        self._tell()

    def _make(self, name: str, values: Mapping[str, str]) -> bool:
        target = self.root / name
        if target.exists():
            return False
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=self.root))  # 0700
        try:
            for key, value in values.items():
                handle = os.open(folder / key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                    file.write(value + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            folder.rename(target)
        except OSError:
            if target.exists():  # somebody else made it meanwhile: that one stays
                return False
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return True
