"""What Asterisk was last proven to run, kept over restarts of the controller.

Two things hang on it: what Asterisk refuses is rendered again from the version recorded here, and an unchanged site
needs no reload after a restart because the objects to ask for are known. It holds secrets, as the rendered files
do, and has their mode.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog
from pydantic import SecretStr

from dialplane.plan.plan import Version
from dialplane.reconcile.config_dir import ConfigDirectoryError
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION, parse

log = structlog.get_logger(__name__)

SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """A version that Asterisk was proven to run."""

    version: Version
    objects: Mapping[str, str] = field(default_factory=dict)
    """Name of each object that it has in Asterisk (`auth/101`), and the digest of its options."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that Asterisk refused, and what Asterisk held against it."""

    version: Version
    message: str


class VerifiedStore:
    """A small SQLite file beside the rendered files; one row per resource and verdict."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            self._db.executescript(f"""
                DROP TABLE IF EXISTS version;
                DROP TABLE IF EXISTS note;
                CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
                CREATE TABLE version (
                    verdict TEXT, kind TEXT, name TEXT, body TEXT, fingerprint TEXT,
                    PRIMARY KEY (verdict, kind, name)
                ) WITHOUT ROWID;
                PRAGMA user_version = {SCHEMA_VERSION};
            """)
        self._db.execute("DELETE FROM version WHERE verdict = 'refused' AND fingerprint != ?", (fingerprint,))
        self._fingerprint = fingerprint

    @classmethod
    def open(cls, path: Path, fingerprint: str) -> Self:
        """Open the store.

        Another `fingerprint` (of the templates) forgets what was refused. A damaged store is set aside: everything in
        it can be asked of Asterisk again.

        Raises:
            ConfigDirectoryError: it cannot be opened or made here.
        """
        with _explained(path):
            try:
                store = cls(path, fingerprint)
                _ = store.verified(), store.refused(), store.notes()
            except sqlite3.OperationalError:
                raise  # locked, full, read-only: there is nothing wrong with what is in it
            except (sqlite3.DatabaseError, LookupError, ValueError, TypeError, AttributeError):
                log.warning("damaged store set aside", path=str(path))
                path.replace(path.with_suffix(".damaged"))
                for rest in ("-wal", "-shm"):
                    path.with_name(path.name + rest).unlink(missing_ok=True)
                return cls(path, fingerprint)
        return store

    def verified(self) -> dict[Key, Verified]:
        """Every version last proven to run."""
        return {key: Verified(_version(key, body), body["objects"]) for key, body in self._rows("verified")}

    def refused(self) -> dict[Key, Refusal]:
        """Every version that Asterisk refused and that nobody has changed since."""
        return {key: Refusal(_version(key, body), body["message"]) for key, body in self._rows("refused")}

    def save(
        self,
        *,
        verified: Mapping[Key, Verified] | None = None,
        refused: Mapping[Key, Refusal] | None = None,
        forget_verified: Iterable[Key] = (),
        forget_refused: Iterable[Key] = (),
    ) -> None:
        """Record verdicts, all of them or none.

        Raises:
            ConfigDirectoryError: they cannot be written.
        """
        rows = [
            ("verified", key, {**_body(proof.version), "objects": dict(proof.objects)})
            for key, proof in (verified or {}).items()
        ]
        rows += [
            ("refused", key, {**_body(refusal.version), "message": refusal.message})
            for key, refusal in (refused or {}).items()
        ]
        gone = [("verified", key) for key in forget_verified] + [("refused", key) for key in forget_refused]
        if not rows and not gone:
            return
        with self._transaction():
            self._db.executemany(
                "DELETE FROM version WHERE verdict = ? AND kind = ? AND name = ?",
                [(verdict, key.kind, key.name) for verdict, key in gone],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO version VALUES (?, ?, ?, ?, ?)",
                [(verdict, key.kind, key.name, json.dumps(body), self._fingerprint) for verdict, key, body in rows],
            )

    def notes(self) -> dict[str, str]:
        """Whatever else is to be remembered, by name."""
        return dict(self._db.execute("SELECT name, value FROM note"))

    def note(self, notes: Mapping[str, str]) -> None:
        """Record notes.

        Raises:
            ConfigDirectoryError: they cannot be written.
        """
        if notes:
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", list(notes.items()))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows(self, verdict: str) -> Iterable[tuple[Key, dict[str, Any]]]:
        for kind, name, body in self._db.execute("SELECT kind, name, body FROM version WHERE verdict = ?", (verdict,)):
            yield Key(kind, name), json.loads(body)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigDirectoryError(f"cannot keep {path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise ConfigDirectoryError(f"cannot keep {path}: {error}") from error


def _body(version: Version) -> dict[str, Any]:
    resource = version.resource
    assert resource.spec is not None, "an invalid resource is never rendered"  # noqa: S101 -- the planner's promise
    return {
        "spec": resource.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True),
        "annotations": dict(resource.annotations),
        "created": resource.created,
        "secrets": {
            name: {key: value.get_secret_value() for key, value in keys.items()}
            for name, keys in version.secrets.items()
        },
        "revision": version.revision,
    }


def _version(key: Key, body: Mapping[str, Any]) -> Version:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": key.kind,
        "metadata": {"name": key.name, "annotations": body["annotations"], "creationTimestamp": body["created"]},
        "spec": body["spec"],
    }
    return Version(
        resource=parse(manifest),
        secrets={name: {k: SecretStr(v) for k, v in keys.items()} for name, keys in body["secrets"].items()},
        revision=body["revision"],
    )
