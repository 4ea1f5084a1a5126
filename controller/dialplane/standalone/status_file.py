"""Status without Kubernetes: one JSON file that the running controller writes and `dialplane get` reads.

It also counts what the API server would count: a uid made once per resource, and a generation that rises when the spec
changes. Written as a whole to a temporary file and renamed, so that a reader never sees half of it; mode 0600, because
specs name customers. No secret is ever in it.
"""

import asyncio
import contextlib
import itertools
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from dialplane.resources.conditions import Condition, Report, status_of, transitions
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION
from dialplane.resources.moment import timestamp
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.site import Identity

FILE_NAME: Final = "status.json"
FORMAT: Final = 1

_LOG = structlog.get_logger("dialplane.status")


class StatusUnreadable(Exception):
    """The status file cannot be read: the message names the cure."""


@dataclass(slots=True)
class Entry:
    """What is kept of one resource."""

    uid: str
    generation: int
    created_at: str
    spec: Any
    annotations: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    def manifest(self, key: Key) -> dict[str, Any]:
        """The resource as `kubectl get -o yaml` would show it."""
        metadata = {
            "name": key.name,
            "uid": self.uid,
            "generation": self.generation,
            "creationTimestamp": self.created_at,
            **({"annotations": self.annotations} if self.annotations else {}),
        }
        return {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "metadata": metadata,
            "spec": self.spec,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Statuses:
    """What one status file says."""

    resources: Mapping[Key, Entry]
    source: Mapping[str, Any]


def read_statuses(path: Path) -> Statuses:
    """The statuses kept at `path`.

    Raises:
        StatusUnreadable: there is no such file, it may not be read, or it is not ours.
    """
    try:
        data = json.loads(path.read_bytes())
        if data["format"] != FORMAT:
            raise StatusUnreadable(f"{path}: written by another version of dialplane: run that one")
        resources = {}
        for name, kept in data["resources"].items():
            kind, _, resource = name.partition("/")
            resources[Key(kind, resource)] = Entry(**kept)
        return Statuses(resources, data["source"])
    except FileNotFoundError:
        raise StatusUnreadable(
            f"{path}: there is no status yet: is `dialplane run` running with this --state-dir?"
        ) from None
    except OSError as error:
        raise StatusUnreadable(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StatusUnreadable(f"{path}: not a status file of dialplane: remove it; it is made anew") from None


class StatusFile:
    """The `ports.StatusSink` of a site without Kubernetes, and the `Ledger` of its readers."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tell: Callable[[Key, Condition], None] = lambda _key, _condition: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take up what an earlier process left at `path`.

        Args:
            path: the file; its directory is made.
            clock: an aware time.
            tell: called with each transition of a condition.
            failed: called when the file could not be written, to have `publish` called again.
        """
        self._path = path
        self._clock = clock
        self._tell = tell
        self._failed = failed
        self._dirty = False
        self._unwritten = False
        """Whether there are uids that the file has not got."""
        self._source: dict[str, Any] = {}
        self._entries: dict[Key, Entry] = {}
        self._read: set[Key] = set()
        self._writing = asyncio.Lock()
        self._replacing = threading.Lock()
        self._texts = itertools.count()
        self._newest = -1
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            kept = read_statuses(path)
            self._entries, self._source = dict(kept.resources), dict(kept.source)
        except StatusUnreadable as error:
            if path.exists():
                aside = path.with_suffix(".unreadable")
                with contextlib.suppress(OSError):
                    path.replace(aside)
                _LOG.error("status file unreadable", path=str(path), error=str(error), moved_to=str(aside))

    @property
    def entries(self) -> Mapping[Key, Entry]:
        """What is known now, for a live view in the same process."""
        return self._entries

    @property
    def source(self) -> Mapping[str, Any]:
        """What is known of the source."""
        return self._source

    def identify(self, manifest: Mapping[str, Any], key: Key) -> Identity:
        """See `site.Ledger`. Kept in the file with the next `publish`."""
        spec = manifest.get("spec")
        annotations = {
            name: value
            for name, value in (_mapping(manifest.get("metadata")).get("annotations") or {}).items()
            if isinstance(value, str)
        }
        self._read.add(key)
        entry = self._entries.get(key)
        if entry is None:
            entry = Entry(str(uuid.uuid4()), 1, timestamp(self._clock()), spec, annotations)
            self._entries[key] = entry
            self._dirty = self._unwritten = True
        elif entry.spec != spec or entry.annotations != annotations:
            entry.generation += entry.spec != spec
            entry.spec, entry.annotations = spec, annotations
            self._dirty = True
        return Identity(entry.uid, entry.generation, entry.created_at, dict(entry.status))

    def settle(self, keys: Iterable[Key]) -> None:
        """See `site.Ledger`. New uids are written now, before anybody acts on them.

        A text message goes out once for each uid: one that was forgotten in a crash would be sent again.
        """
        self._read = set(keys)
        if self._unwritten:
            try:
                self._write(*self._text())
            except OSError as error:
                self._dirty = self._unwritten = True
                self._complain(error)

    async def publish(self, reports: Mapping[Key, Report]) -> None:
        """See `ports.StatusSink`. Resources without a report are gone, and forgotten.

        But not those of a newer state that was just read: its own reports follow.
        """
        now = self._clock()
        for key in [key for key in tuple(self._entries) if key not in reports and key not in self._read]:
            del self._entries[key]
            self._dirty = True
        for key, report in reports.items():
            entry = self._entries.get(key)
            if entry is None or entry.uid != report.uid:
                continue  # made anew since; its own report follows
            for condition in transitions(report, entry.status):
                self._tell(key, condition)
            status = status_of(report, entry.status, now)
            if status != entry.status:
                entry.status = status
                self._dirty = True
        await self.flush()

    def note_source(self, state: SourceState) -> None:
        """Keep what is known of the source; written by the next `flush`."""
        source = {
            "origin": state.origin,
            "revision": state.revision,
            "stale": state.stale,
            "progress": state.progress,
            "findings": [{"level": str(finding.level), "text": str(finding)} for finding in state.findings[:100]],
        }
        if source != self._source:
            self._source = source
            self._dirty = True

    async def flush(self) -> None:
        """Write the file if anything changed. A failure is logged, and made good by the next call."""
        async with self._writing:
            if not self._dirty:
                return
            self._dirty = False
            try:
                await asyncio.to_thread(self._write, *self._text())
            except OSError as error:
                self._dirty = True
                self._complain(error)
                self._failed()

    def _complain(self, error: OSError) -> None:
        _LOG.error("status not written", path=str(self._path), error=error.strerror)

    def _text(self) -> tuple[int, str]:
        """What the file should say, and how new that is."""
        number, self._unwritten = next(self._texts), False
        resources = {
            str(key): {
                "uid": entry.uid,
                "generation": entry.generation,
                "created_at": entry.created_at,
                "spec": entry.spec,
                "annotations": entry.annotations,
                "status": entry.status,
            }
            for key, entry in sorted(dict(self._entries).items())
        }
        return number, json.dumps({"format": FORMAT, "source": self._source, "resources": resources}) + "\n"

    def _write(self, number: int, text: str) -> None:
        with self._replacing:
            if number > self._newest:
                self._replace(text)
                self._newest = number

    def _replace(self, text: str) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
