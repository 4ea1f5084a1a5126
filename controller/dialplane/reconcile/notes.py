"""What must survive a crash: files not yet read, who or what waits for a restart, the last good dialplan."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import PurePosixPath

from dialplane.asterisk.moment import Moment
from dialplane.asterisk.reload import reloads_for
from dialplane.asterisk.status import Start
from dialplane.plan.digest import digest
from dialplane.plan.plan import Plan
from dialplane.plan.render import DIALPLAN_REVISION, EXTENSIONS, HEADER
from dialplane.reconcile.config_dir import Written
from dialplane.reconcile.restart_request import RestartRequest
from dialplane.reconcile.verified import VerifiedStore
from dialplane.resources.manifest import Resource

_UNREAD, _RESTART, _STARTED = "unread", "restart_for", "started"
_GOOD, _REFUSED = "dialplan_good", "dialplan_refused"
_CIRCUMSTANCE = "circumstance"
_REQUEST = "restart_asked"
_TRUSTED = "trusted"
_OPENED = "opened"
_MARK = re.compile(rf"^{DIALPLAN_REVISION} = (\w+)$", re.MULTILINE)
_SURE_SECONDS = 1.0
"""Asterisk tells its age in whole seconds."""


@dataclass(frozen=True, slots=True)
class _Change:
    """When something changed, and the last Asterisk that had been met until then."""

    met: str
    moment: Moment

    def after(self, start: Start, within: float = 0.0) -> bool:
        """Whether it may have come after that start; of an Asterisk that had been met before, no clock is asked."""
        if start.moment is None or self.met == start.identity != "":
            return True
        return self.moment.since(start.moment) >= -within


_EVER = _Change("", Moment("", 0.0, 0.0))


class Notes:
    """Written through to the store. No setting of a clock, here or on Asterisk's machine, makes it forget anything."""

    def __init__(self, store: VerifiedStore, clock: Callable[[], Moment] = Moment.now) -> None:
        self._store = store
        self._clock = clock
        kept = store.notes()
        self._unread = _changes(kept.get(_UNREAD, "{}"))
        self._restart = _changes(kept.get(_RESTART, "{}"))
        met, started = json.loads(kept.get(_STARTED, '["", null]'))
        self._met: str = met
        self._started = Moment(*started) if started else None
        self._trusted: dict[str, str] = json.loads(kept.get(_TRUSTED, "{}"))
        self._opened = _changes(kept.get(_OPENED, "{}"))
        self._good = kept.get(_GOOD, "")
        self._refused = kept.get(_REFUSED, "")
        self._circumstance = kept.get(_CIRCUMSTANCE, "")
        request = kept.get(_REQUEST)
        self.request: RestartRequest | None = RestartRequest.from_json(request) if request else None
        """The restart that was asked for last, and what came of it; None where none was looked for yet."""

    def writing(self, todo: Written, had: Collection[str] = ()) -> None:
        """Note, before the first byte is written, what Asterisk will have to read.

        `had` are the objects that it has as far as is known (`transport/tls`): a certificate that is new is read by a
        reload only where its transport is new too.
        """
        if todo.paths:
            now = _Change(self._met, self._clock())
            begun = {path for path in todo.begun if f"transport/{PurePosixPath(path).stem}" not in had}
            self._unread = {**self._unread, **dict.fromkeys(todo.paths, now)}
            self._restart = {**self._restart, **dict.fromkeys(reloads_for(todo.effective, begun).restart_for, now)}
            self._store.note({_UNREAD: _text(self._unread), _RESTART: _text(self._restart)})

    def trusting(self, marks: Mapping[str, str], had: Collection[str]) -> None:
        """Note what each transport verifies by (`authorities.trusted`); `had` as in `writing`.

        Asterisk shows what it has read, while a socket that is open goes on verifying as before (measured): nobody but
        these notes can tell.
        """
        now = _Change(self._met, self._clock())
        changed = {name for name, mark in marks.items() if self._trusted.get(name, "") != mark}
        if not changed and self._trusted.keys() == marks.keys():
            return
        self._trusted = dict(marks)
        late = {verification(name): now for name in changed if f"transport/{name}" in had}
        self._restart = {**self._restart, **late}
        self._store.note({_TRUSTED: json.dumps(self._trusted), _RESTART: _text(self._restart)})

    def unread(self, start: Start) -> frozenset[str]:
        """Files that the Asterisk that started then may not have read."""
        return frozenset(path for path, change in self._unread.items() if change.after(start, _SURE_SECONDS))

    def all_read(self, but: Collection[str] = ()) -> None:
        """Every file has been read, `but` those put off, and what came of it was judged."""
        left = {path: at for path, at in self._unread.items() if path in but}
        if left != self._unread:
            self._unread = left
            self._store.note({_UNREAD: _text(left)})

    def removed(self, sockets: Collection[str], wanted: Collection[str]) -> None:
        """Note sockets that were removed: Asterisk keeps them open until it starts anew (facts); forget those back."""
        now = _Change(self._met, self._clock())
        left = {name: change for name, change in self._restart.items() if name not in wanted}
        left |= {name: now for name in sockets if name not in left}
        if left != self._restart:
            self._restart = left
            self._store.note({_RESTART: _text(left)})

    def restart_for(self, start: Start) -> tuple[str, ...]:
        """Files and sockets that only a restart brings into effect, and that changed since Asterisk started."""
        left = {path: change for path, change in self._restart.items() if change.after(start)}
        if left != self._restart:
            self._restart = left
            self._store.note({_RESTART: _text(left)})
        return tuple(sorted(left))

    def open(self, kinds: Collection[str], *, anew: bool) -> None:
        """Note since when the files have transports of these kinds.

        `anew` where the file is about to change; else one of which nothing was noted was there before any Asterisk.
        """
        since = _Change(self._met, self._clock()) if anew or self._opened else _EVER
        opened = {kind: self._opened.get(kind, since) for kind in kinds}
        if opened != self._opened:
            self._opened = opened
            self._store.note({_OPENED: _text(opened)})

    def opened_since(self, start: Start) -> frozenset[str]:
        """The kinds of transports that may not have been in the files yet when Asterisk started."""
        return frozenset(kind for kind, change in self._opened.items() if change.after(start, _SURE_SECONDS))

    def meet(self, start: Start) -> Start:
        """Remember which Asterisk runs; its start as it was told first, the same over every connection."""
        known = self._started
        if known is None or self._met != start.identity or (not start.identity and _apart(known, start.moment)):
            self._met, self._started = start.identity, (known := start.moment or self._clock())
            self._store.note({_STARTED: json.dumps((self._met, astuple(known)))})
        return Start(self._met, known)

    def keep_request(self, request: RestartRequest) -> None:
        """Note what becomes of a restart that was asked for."""
        if request != self.request:
            self.request = request
            self._store.note({_REQUEST: request.to_json()})

    def changed(self, start: Start, pbx: Resource | None) -> bool:
        """Whether what was refused deserves another try: Asterisk started anew, or its own manifest changed.

        A registration, say, is refused for as long as the port of its transport is taken.
        """
        now = digest(self.meet(start).identity, pbx.spec.model_dump_json() if pbx and pbx.spec else "")
        before, self._circumstance = self._circumstance, now
        if now != before:
            self._store.note({_CIRCUMSTANCE: now})
        return bool(before) and now != before

    def refuse_dialplan(self, plan: Plan) -> None:
        """Asterisk cannot read this plan's extensions.conf at all."""
        self._refused = digest(plan.files[EXTENSIONS])
        self._store.note({_REFUSED: self._refused})

    def take_dialplan(self, plan: Plan) -> None:
        """Asterisk reads this plan's extensions.conf."""
        if plan.files[EXTENSIONS] != self._good:
            self._good = plan.files[EXTENSIONS]
            self._store.note({_GOOD: self._good, _REFUSED: ""})

    def stand_in(self, plan: Plan) -> Plan | None:
        """The plan with the last good dialplan in place of one that was refused; None where it was not.

        Without any good one an empty dialplan: with a broken file Asterisk's pbx_config would not even start.
        """
        if not self._refused or digest(plan.files[EXTENSIONS]) != self._refused:
            return None
        text = self._good or HEADER
        mark = _MARK.search(text)
        variables = {DIALPLAN_REVISION: mark[1]} if mark else {}
        objects = replace(plan.objects, globals=variables)
        return replace(plan, files={**plan.files, EXTENSIONS: text}, objects=objects)


def verification(transport: str) -> str:
    """What `Notes.restart_for` calls the verification over a transport."""
    return f"verification of certificates over transport {transport}"


def _apart(one: Moment, other: Moment | None) -> bool:
    return other is not None and abs(one.since(other)) > 2 * _SURE_SECONDS


def _text(changes: Mapping[str, _Change]) -> str:
    return json.dumps({name: (change.met, astuple(change.moment)) for name, change in changes.items()})


def _changes(text: str) -> Mapping[str, _Change]:
    return {name: _Change(met, Moment(*moment)) for name, (met, moment) in json.loads(text).items()}
