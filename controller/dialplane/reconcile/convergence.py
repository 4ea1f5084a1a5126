"""One attempt to make Asterisk run a plan: write, reload, read back.

Asterisk's own "reloaded" counts for nothing (facts): only what it answers when asked for each object does.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.contacts import contacts, drop_contacts
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.readback import gone, read_back
from dialplane.asterisk.reload import ReloadResult, reload, reloads_for
from dialplane.plan.digest import digest
from dialplane.plan.objects import (
    DialplanContext,
    Mailbox,
    PjsipObject,
    PjsipType,
    gathered,
    owners,
)
from dialplane.plan.plan import Plan
from dialplane.plan.render import EXTENSIONS, VOICEMAIL
from dialplane.reconcile.config_dir import ConfigDirectory
from dialplane.resources.key import Key

Readable = PjsipObject | DialplanContext | Mailbox

SETTLE_SECONDS = (0.1, 0.4)
"""Waits before an object that differs is asked for again: Asterisk starts registrations a moment after the reload."""


@dataclass(slots=True)
class Session:
    """What is known about the Asterisk behind one connection; a new connection knows nothing."""

    ami: Ami
    proven: dict[str, Readable] = field(default_factory=dict)
    """Every object that this Asterisk was asked for and has, by name."""
    unread: set[str] = field(default_factory=set)
    """Files that changed and that this Asterisk has not been told to read yet."""
    complete: bool = False
    """Whether strays (objects and contacts that nobody asked for) have been looked for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt showed."""

    mismatches: Mapping[Key | None, tuple[Mismatch, ...]] = field(default_factory=dict)
    """By the resource to blame; None: nobody in particular."""
    reloads: tuple[ReloadResult, ...] = ()
    undeleted: tuple[Mismatch, ...] = ()
    """Objects that should be gone and are not."""
    restart_for: tuple[str, ...] = ()
    """What only a restart of Asterisk brings into effect: files, and transports."""
    seconds: float = 0.0


async def converge(
    session: Session, directory: ConfigDirectory, plan: Plan, earlier: Mapping[str, str], reload_seconds: float
) -> Outcome:
    """Make the Asterisk of `session` run `plan`, and say what it does not.

    Args:
        session: the connection and what was proven over it; updated.
        directory: where the files are written.
        plan: what to run.
        earlier: names and digests of the objects this Asterisk had before, from earlier sessions.
        reload_seconds: the hard limit of each reload.

    Raises:
        ConfigDirectoryError: a file cannot be written.
        AsteriskError: the connection was lost, or an answer did not come in time: nothing is known then.
    """
    started = time.monotonic()
    written = await asyncio.to_thread(directory.write, plan.files)
    session.unread.update(written.paths)
    wanted = plan.objects.readable()
    reloads, restart_for = await _reload(session, frozenset(session.unread), reload_seconds)
    session.unread.clear()

    changed = {name: item for name, item in wanted.items() if session.proven.get(name) != item}
    obsolete = _obsolete(session, wanted, earlier)
    rekeyed = _rekeyed(session, wanted, earlier)
    await _drop_revoked(session, wanted, rekeyed)
    answer = await _ask(session.ami, changed, obsolete, plan)
    if answer.found:
        # Asterisk may never have read files that were right on disk already: tell it once, then ask again.
        files = _files_of(answer, changed, obsolete)
        if set(reloads_for(files).modules) - {result.module for result in reloads}:
            more, _ = await _reload(session, files, reload_seconds)
            reloads += more
            answer = await _ask(session.ami, changed, obsolete, plan)
    for wait in SETTLE_SECONDS:
        if not answer.found:
            break
        await asyncio.sleep(wait)
        answer = await _ask(session.ami, changed, obsolete, plan)

    mismatches, sockets = _without_transports(answer.differing)
    blamed = {m.owner for m in mismatches}
    session.proven = {
        name: item
        for name, item in wanted.items()
        if name not in changed or not (owners(item) & blamed or (None in blamed and isinstance(item, DialplanContext)))
    }
    kept = {id_ for id_ in rekeyed if (item := wanted.get(f"aor/{id_}")) is not None and item.owner not in blamed}
    if kept:
        await drop_contacts(session.ami, sorted(kept))
    by_owner: dict[Key | None, list[Mismatch]] = defaultdict(list)
    for mismatch in mismatches:
        by_owner[mismatch.owner].append(mismatch)
    return Outcome(
        mismatches={owner: tuple(found) for owner, found in by_owner.items()},
        undeleted=answer.undeleted,
        reloads=reloads,
        restart_for=restart_for + sockets,
        seconds=time.monotonic() - started,
    )


def digests(items: Mapping[str, Readable], owner: Key) -> dict[str, str]:
    """Name and digest of each object that `owner` alone wants: what a later session compares with."""
    return {
        name: object_digest(item)
        for name, item in items.items()
        if not isinstance(item, DialplanContext) and item.owner == owner
    }


def object_digest(item: Readable) -> str:
    """Names the content of one object."""
    match item:
        case PjsipObject():
            return digest(item.options)
        case Mailbox():
            return digest(item.pin, item.full_name, item.email, item.options)
        case DialplanContext():
            return digest(item.includes, [(e.extension, e.priority, e.application, e.arguments) for e in item.entries])


async def _reload(
    session: Session, files: frozenset[str], limit: float
) -> tuple[tuple[ReloadResult, ...], tuple[str, ...]]:
    needed = reloads_for(files)
    results = [await reload(session.ami, module, timeout=limit) for module in needed.modules]
    return tuple(results), needed.restart_for


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Asterisk has otherwise, and what it should not have any more."""

    differing: tuple[Mismatch, ...]
    undeleted: tuple[Mismatch, ...]

    @property
    def found(self) -> bool:
        return bool(self.differing or self.undeleted)


async def _ask(ami: Ami, changed: Mapping[str, Readable], obsolete: Mapping[str, Readable], plan: Plan) -> _Answer:
    expected = gathered(changed.values())
    if expected.contexts:
        expected = replace(expected, globals=plan.objects.globals)
    return _Answer(
        await read_back(ami, expected) if changed else (),
        await gone(ami, gathered(obsolete.values())) if obsolete else (),
    )


def _files_of(answer: _Answer, changed: Mapping[str, Readable], obsolete: Mapping[str, Readable]) -> frozenset[str]:
    """The files that what differs stands in."""
    blamed = {m.owner for m in answer.differing}
    files = {_file(item) for item in changed.values() if owners(item) & blamed}
    if None in blamed:
        files.add(EXTENSIONS)
    if answer.undeleted:
        files.update(_file(item) for item in obsolete.values())
    return frozenset(files)


def _without_transports(mismatches: Iterable[Mismatch]) -> tuple[tuple[Mismatch, ...], tuple[str, ...]]:
    """A transport that differs is not refused: Asterisk keeps its old socket until it starts again (facts)."""
    every = tuple(mismatches)
    sockets = sorted({m.object for m in every if m.object.startswith("transport ")})
    return tuple(m for m in every if m.object not in sockets), tuple(sockets)


def _obsolete(session: Session, wanted: Mapping[str, Readable], earlier: Mapping[str, str]) -> dict[str, Readable]:
    """Objects that Asterisk had, by this session's or an earlier one's proof, and should not have any more."""
    obsolete = {name: item for name, item in session.proven.items() if name not in wanted}
    for name in earlier:
        if name not in wanted and name not in obsolete:
            obsolete[name] = _named(name)
    return obsolete


def _named(name: str) -> Readable:
    """An object of which only the name is known: enough to ask whether it is gone."""
    kind, _, id_ = name.partition("/")
    nobody = Key("", "")
    if kind == "context":
        return DialplanContext(id_, (), (), nobody)
    if kind == "mailbox":
        return Mailbox(id_, SecretStr(""), "", "", (), nobody)
    return PjsipObject(PjsipType(kind), id_, (), nobody)


def _rekeyed(session: Session, wanted: Mapping[str, Readable], earlier: Mapping[str, str]) -> set[str]:
    """Aors whose phones must register anew: their auth changed, or they are gone."""
    found = set()
    for name, item in session.proven.items():
        kind, _, id_ = name.partition("/")
        now = wanted.get(name)
        revoked = (kind == "auth" and now != item) or (kind == "aor" and now is None)
        if revoked or (kind == "endpoint" and now is not None and _networks(now) != _networks(item)):
            found.add(id_)
    for name, mark in earlier.items():
        kind, _, id_ = name.partition("/")
        now = wanted.get(name)
        if name not in session.proven and (
            (kind == "auth" and (now is None or object_digest(now) != mark)) or (kind == "aor" and now is None)
        ):
            found.add(id_)
    return found


def _networks(endpoint: Readable) -> tuple[object, ...]:
    """Where its phones may be."""
    assert isinstance(endpoint, PjsipObject)  # noqa: S101 -- by its name
    return tuple(option for option in endpoint.options if option[0] in {"permit", "deny"})


async def _drop_revoked(session: Session, wanted: Mapping[str, Readable], rekeyed: set[str]) -> None:
    """Unbind the phones of aors that nobody asks for any more: Asterisk would go on ringing them (facts)."""
    aors = {id_ for id_ in rekeyed if f"aor/{id_}" not in wanted}
    if not session.complete:
        aors |= {aor for aor in await contacts(session.ami) if f"aor/{aor}" not in wanted}
        session.complete = True
    if aors:
        await drop_contacts(session.ami, sorted(aors))


def _file(item: Readable) -> str:
    match item:
        case PjsipObject():
            return item.type.file
        case DialplanContext():
            return EXTENSIONS
        case Mailbox():
            return VOICEMAIL
