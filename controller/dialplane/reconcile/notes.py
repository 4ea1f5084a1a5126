"""What must survive a crash: files not yet read, who or what waits for a restart, the last good dialplan."""

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dialplane.asterisk.reload import reloads_for
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
_REQUEST = "restart_request"
_MARK = re.compile(rf"^{DIALPLAN_REVISION} = (\w+)$", re.MULTILINE)
_SURE = timedelta(seconds=1)
"""Asterisk tells its age in whole seconds."""


class Notes:
    """Written through to the store. Times are of the wall clock, as the start of Asterisk is."""

    def __init__(self, store: VerifiedStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        kept = store.notes()
        self._unread: Mapping[str, float] = json.loads(kept.get(_UNREAD, "{}"))
        self._restart: Mapping[str, float] = json.loads(kept.get(_RESTART, "{}"))
        self._started = datetime.fromisoformat(kept[_STARTED]) if _STARTED in kept else None
        self._good = kept.get(_GOOD, "")
        self._refused = kept.get(_REFUSED, "")
        self._circumstance = kept.get(_CIRCUMSTANCE, "")
        request = kept.get(_REQUEST)
        self.request: RestartRequest | None = RestartRequest.from_json(request) if request else None
        """The restart that was asked for last, and what came of it; None where none was looked for yet."""

    def writing(self, todo: Written) -> None:
        """Note, before the first byte is written, what Asterisk will have to read."""
        if todo.paths:
            now = self._clock()
            self._unread = {**self._unread, **dict.fromkeys(todo.paths, now)}
            self._restart = {**self._restart, **dict.fromkeys(reloads_for(todo.effective).restart_for, now)}
            self._store.note({_UNREAD: json.dumps(self._unread), _RESTART: json.dumps(self._restart)})

    def unread(self, started: datetime) -> frozenset[str]:
        """Files that the Asterisk that started then may not have read."""
        return frozenset(path for path, at in self._unread.items() if _moment(at) >= started - _SURE)

    def all_read(self, but: Collection[str] = ()) -> None:
        """Every file has been read, `but` those put off, and what came of it was judged."""
        left = {path: at for path, at in self._unread.items() if path in but}
        if left != self._unread:
            self._unread = left
            self._store.note({_UNREAD: json.dumps(left)})

    def removed(self, sockets: Collection[str], wanted: Collection[str]) -> None:
        """Note sockets that were removed: Asterisk keeps them open until it starts anew (facts); forget those back."""
        now = self._clock()
        left = {name: at for name, at in self._restart.items() if name not in wanted}
        left |= {name: now for name in sockets if name not in left}
        if left != self._restart:
            self._restart = left
            self._store.note({_RESTART: json.dumps(left)})

    def restart_for(self, started: datetime) -> tuple[str, ...]:
        """Files and sockets that only a restart brings into effect, and that changed since Asterisk started."""
        left = {path: at for path, at in self._restart.items() if _moment(at) > started}
        if left != self._restart:
            self._restart = left
            self._store.note({_RESTART: json.dumps(left)})
        return tuple(sorted(left))

    def keep_request(self, request: RestartRequest) -> None:
        """Note what becomes of a restart that was asked for."""
        if request != self.request:
            self.request = request
            self._store.note({_REQUEST: request.to_json()})

    def started(self, told: datetime) -> datetime:
        """When Asterisk started, the same for the same start."""
        if self._started is None or abs(told - self._started) > 2 * _SURE:
            self._started = told
            self._store.note({_STARTED: told.isoformat()})
        return self._started

    def changed(self, started: datetime, pbx: Resource | None) -> bool:
        """Whether what was refused deserves another try: Asterisk started anew, or its own manifest changed.

        A registration, say, is refused for as long as the port of its transport is taken.
        """
        now = digest(str(self.started(started)), pbx.spec.model_dump_json() if pbx and pbx.spec else "")
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


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
