"""Directories of manifests as a Source: watched, with a slow poll as the safety net.

File notifications get lost (network file systems, a folder that is moved away and back), so the poll alone would be
enough; the notifications make it fast. A state is read only when nothing was written for a moment, and taken only when
nothing changed while it was read.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from watchfiles import awatch

from dialplane.resources.snapshot import Snapshot
from dialplane.standalone.files import File, SourceMissing, manifest_places, read_paths
from dialplane.standalone.last_good import LastGood, SourceState
from dialplane.standalone.secrets import SecretFiles, secret_files, secrets_from_directory
from dialplane.standalone.site import Site, SiteReader

POLL_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 0.1
SETTLE_ROUNDS: Final = 50

Signature = tuple[tuple[str, int, int, int], ...]


class SecretFolders:
    """Where Secrets come from that are no manifests: the user's directory, and what the controller generated."""

    def __init__(self, secrets: Path | None = None, generated: Path | None = None) -> None:
        self.secrets = secrets
        self.generated = generated

    @property
    def paths(self) -> tuple[Path, ...]:
        """Those of the two that are set."""
        return tuple(path for path in (self.secrets, self.generated) if path is not None)

    def signature(self) -> Signature:
        """A cheap mark that differs when a value may have changed."""
        return _signature(str(path) for root in self.paths for path in secret_files(root))


class DirectorySource:
    """Follows directories, one site together, until cancelled: run `watch` as a task beside the site loop."""

    def __init__(
        self,
        directories: Sequence[Path],
        reader: SiteReader,
        folders: SecretFolders | None = None,
        *,
        tell: Callable[[SourceState], None] = lambda _: None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._directories = tuple(directories)
        self._reader = reader
        self._folders = folders or SecretFolders()
        self._poll_seconds = poll_seconds
        self._kept = LastGood(", ".join(map(str, directories)), tell)
        self._stirred = asyncio.Event()
        self._seen: tuple[Signature, Signature] | None = None

    async def changed(self) -> None:
        """See `ports.Source`."""
        await self._kept.changed()

    def snapshot(self) -> Snapshot:
        """See `ports.Source`."""
        return self._kept.snapshot()

    def mark(self) -> None:
        """Have the site looked at again."""
        self._kept.mark()
        self._stirred.set()

    async def watch(self) -> None:
        """Read the directories now and at every change."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            while True:
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), self._poll_seconds)
                self._stirred.clear()

    async def _listen(self) -> None:
        """Turn the kernel's notifications into `_stirred`; begins anew when the folders themselves are replaced."""
        while True:
            paths = [path for path in (*self._directories, *self._folders.paths) if path.is_dir()]
            identity = _identity(paths)
            stop = asyncio.Event()
            with contextlib.suppress(OSError, RuntimeError):  # a folder that vanished: the poll reports it
                if paths:
                    watch = awatch(
                        *paths, step=20, debounce=100, stop_event=stop, rust_timeout=1000, yield_on_timeout=True
                    )
                    async for changes in watch:
                        if changes:
                            self._stirred.set()
                        now = [path for path in (*self._directories, *self._folders.paths) if path.is_dir()]
                        if _identity(now) != identity:
                            break
            self._stirred.set()
            await asyncio.sleep(1)

    async def _look(self) -> None:
        signature = await asyncio.to_thread(self._signature)
        if signature == self._seen:
            return
        for _ in range(SETTLE_ROUNDS):
            await asyncio.sleep(SETTLE_SECONDS)
            before, signature = signature, await asyncio.to_thread(self._signature)
            if before != signature:
                continue
            try:
                site = await asyncio.to_thread(self._read)
            except SourceMissing as error:
                self._kept.refuse(str(error))
                self._seen = signature
                return
            if await asyncio.to_thread(self._signature) == signature:
                self._kept.offer(site)
                self._seen = signature
                return
        self._kept.refuse(
            f"{self._kept.state.origin} never stands still: files are written faster than they can be read"
        )

    def _read(self) -> Site:
        for directory, found in zip(self._directories, manifest_places(self._directories), strict=True):
            if not found:
                # An unmounted volume looks like this. Taking it for an empty site would delete every extension.
                raise SourceMissing(f"{directory}: no .yaml or .yml file in it: put the site's manifests there")
        return read_site(self._reader, read_paths(self._directories), self._folders)

    def _signature(self) -> tuple[Signature, Signature]:
        try:
            found = [place for places in manifest_places(self._directories) for place in places]
        except SourceMissing as error:
            return ((str(error), 0, 0, 0),), self._folders.signature()
        flaws = tuple((f"{place.shown}: {place.flaw}", 0, 0, 0) for place in found if place.flaw)
        files = _signature(place.shown for place in found if not place.flaw)
        return files + flaws, self._folders.signature()


def read_site(reader: SiteReader, files: Iterable[File], folders: SecretFolders) -> Site:
    """The site of `files` with the Secrets of both folders."""
    own = secrets_from_directory(folders.secrets, required=True) if folders.secrets else SecretFiles()
    generated = secrets_from_directory(folders.generated) if folders.generated else SecretFiles()
    site = reader.read(files, secrets=own.values, generated=generated.values)
    findings = site.findings + own.findings + generated.findings
    return Site(site.snapshot, findings, site.broken or own.broken or generated.broken, site.manifests)


def _identity(paths: Iterable[Path]) -> tuple[tuple[str, int], ...]:
    marks = []
    for path in paths:
        with contextlib.suppress(OSError):
            marks.append((str(path), path.stat().st_ino))
    return tuple(marks)


def _signature(paths: Iterable[str]) -> Signature:
    marks = []
    for path in paths:
        try:
            about = os.stat(path)  # noqa: PTH116 -- a Path for each of 10,000 files costs as much as the stat
        except OSError as error:
            marks.append((path, 0, 0, error.errno or 0))
        else:
            marks.append((path, about.st_ino, about.st_size, about.st_mtime_ns))
    return tuple(marks)
