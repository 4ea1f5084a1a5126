"""The service of voicemail: each new message is mailed once the mail server takes it, and deleted only after that.

A message waits in its own mailbox, in Asterisk's spool: whatever ends meanwhile, the controller, the server or the
machine, it is found again and mailed. What was taken is noted at once; a crash between the two mails it a second time,
under the same `Message-ID`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import AsteriskError, PermissionMissing
from dialplane.asterisk.voicemail import delete_message, new_messages
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.voicemail import metrics
from dialplane.services.voicemail import tables as voice_mails
from dialplane.services.voicemail.delivery import Delivery
from dialplane.services.voicemail.patience import Patience
from dialplane.services.voicemail.spool import Message, UnreadableError, present, scan
from dialplane.services.voicemail.task import Box, Task, task_of
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, wait_at_most

log = structlog.get_logger(__name__)

SINCE_GRACE: Final = timedelta(seconds=30)
"""A message may have been begun a little before its mailbox was first looked after: clocks differ."""
MOST_AT_ONCE: Final = 50
"""Mails over one connection, and so between two looks at the mailboxes."""
AWAITED_SECONDS: Final = 2.0
"""How long a controller that has just started holds back what it reports until the mail server has answered."""
MAY_NOT_DELETE: Final = (
    "mailed, and not deleted: the AMI user of call control may not; add user to its write = in manager.conf"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    look: float = 5.0
    """Between two looks at the mailboxes."""
    count: float = 30.0
    """Between two questions to Asterisk how many messages it has."""
    probe: float = 300.0
    """Between two looks at a mail server that has nothing to take."""
    first: float = 5.0
    """After the first failure; doubled with each that follows."""
    longest: float = 300.0

    def patience(self) -> Patience:
        """For something that may fail."""
        return Patience(Backoff(self.first, self.longest))


@dataclass(slots=True)
class _Knowledge:
    """What is known of the mailboxes and the server of one task."""

    server: Patience
    deleting: Patience
    letters: dict[str, Patience] = field(default_factory=dict)
    """Of messages that could not be mailed though the server was there, by id."""
    waiting: dict[str, int] = field(default_factory=dict)
    """How many messages are to be mailed, by mailbox."""
    why: dict[str, str] = field(default_factory=dict)
    """What is wrong with single mailboxes."""
    missing: frozenset[str] = frozenset()
    """Mailboxes of which Asterisk counts messages that are not here, by its last two answers."""
    suspected: frozenset[str] = frozenset()
    """Likewise, by the last one."""
    unseen: str = ""
    """Why no message can be seen at all."""
    counted_at: float = 0.0
    tried: bool = False
    """Whether the server has been spoken to."""


class VoicemailService:
    """Implements `Service`."""

    def __init__(self, store: Store, site: str, *, timing: Timing = Timing()) -> None:
        """Mail for the namespace `site`; `store` keeps what was mailed."""
        self._store = store
        self._site = site
        self._timing = timing
        self._task: Task | None = None
        self._leads: Callable[[], bool] = lambda: True
        self._new = asyncio.Event()
        self._changed: Callable[[], None] = lambda: None
        self._known = self._nothing()
        self._trouble = ""
        """Of the store."""
        self._said: Mapping[Key, ServiceReport] = {}
        self._awaited_until = 0.0

    def observe(self, view: SiteView) -> None:
        """See `Service`."""
        self._leads = view.leads
        task, before = task_of(view), self._task
        if task == before:
            return
        self._task = task
        if task is None or before is None or (task.server, task.path) != (before.server, before.path):
            self._known = self._nothing()
            loop = asyncio.get_running_loop()
            self._awaited_until = loop.time() + AWAITED_SECONDS
            loop.call_later(AWAITED_SECONDS, self._say)
        else:
            self._known.letters.clear()  # another address may be a better one
        self._said = self._sayings()
        self._new.set()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service`: nothing that is reported matters to voicemail."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service`."""
        return self._said

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service`."""
        self._changed = changed
        try:
            while True:
                self._new.clear()
                task = self._task
                metrics.WAITING.set(0)
                if task is None:
                    await self._new.wait()
                    continue
                async with (
                    AsteriskLink(task.main, events="system") as main,
                    AsteriskLink(task.calls, events="off", wait_for_boot=False) as calls,
                ):
                    while self._task is task:
                        await self._look(task, main, calls)
                        self._say()
                        await wait_at_most(self._new, self._timing.look)
        finally:
            metrics.WAITING.set(0)

    def _nothing(self) -> _Knowledge:
        return _Knowledge(self._timing.patience(), self._timing.patience())

    # --- what is said

    def _say(self) -> None:
        said = self._sayings()
        if said != self._said:
            self._said = said
            self._changed()

    def _sayings(self) -> dict[Key, ServiceReport]:
        if self._task is None:
            return {}
        asked = self._known.tried or self._task.server is None
        awaited = not asked and asyncio.get_running_loop().time() < self._awaited_until
        return {box.key: ServiceReport((self._condition(box),), awaited=awaited) for box in self._task.boxes.values()}

    def _condition(self, box: Box) -> Condition:
        known, kind = self._known, ConditionType.MAIL_DELIVERABLE
        if self._trouble:
            return Condition(kind, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, self._trouble)
        why = known.why.get(box.number) or known.server.why or known.unseen
        if self._task is not None and self._task.server is None:
            why = "a Secret of the mail server is missing: the conditions of the Asterisk name it"
        if not why and box.number in known.missing:
            why = f"Asterisk has messages that are not in {self._task.path if self._task else ''}: it is not shared"
        waiting = known.waiting.get(box.number, 0)
        if why:
            kept = f"; kept in the mailbox: {waiting}" if waiting else ""
            return Condition(kind, Truth.FALSE, Reason.MAIL_FAILED, f"{why}{kept}")
        if not known.tried:
            return Condition(kind, Truth.UNKNOWN, Reason.UNKNOWN, "the mail server has not been asked yet")
        return Condition(kind, Truth.TRUE, Reason.SERVED, "the mail server takes mail")

    # --- what is done

    async def _look(self, task: Task, main: AsteriskLink, calls: AsteriskLink) -> None:
        """One look at the mailboxes: mail what waits, delete what was mailed."""
        if not self._leads():
            return
        known, now = self._known, datetime.now(UTC)
        try:
            since = await self._store.call(voice_mails.look_after, self._site, task.boxes, task.unmailed, now=now)
            messages, known.why, known.unseen = await asyncio.to_thread(_scan, task)
            ids = {number: [message.id for message in found] for number, found in messages.items()}
            mailed = await self._store.call(voice_mails.mailed, self._site, ids, now=now)
        except StoreError as error:
            self._trouble = str(error)
            return
        self._trouble = ""
        await self._count(task, main, messages)
        waiting, done = [], []
        for number, found in messages.items():
            for message in found:
                if message.id not in mailed[number]:
                    if message.left_at >= since[number] - SINCE_GRACE:
                        waiting.append(message)
                elif task.boxes[number].delete:
                    done.append(message)
        known.waiting = dict.fromkeys(task.boxes, 0)
        for message in waiting:
            known.waiting[message.mailbox] += 1
        there = {message.id for message in waiting}
        known.letters = {id_: patience for id_, patience in known.letters.items() if id_ in there}
        await self._mail(task, waiting, done)
        metrics.WAITING.set(sum(known.waiting.values()))
        await self._delete(done, task, calls)

    async def _mail(self, task: Task, waiting: Sequence[Message], done: list[Message]) -> None:
        """Mail what is due, and put into `done` what is to be deleted then; ask a server that has nothing to take."""
        known, now = self._known, asyncio.get_running_loop().time()
        due = [m for m in waiting if m.id not in known.letters or known.letters[m.id].due <= now]
        if task.server is not None and (now >= known.server.due or (due and not known.server.why)):
            delivery = Delivery(task, task.server, self._site, due[:MOST_AT_ONCE], self._leads)
            try:
                async for message, error in delivery.results():
                    await self._note(task, message, error, done)
            except asyncio.CancelledError:
                for message, error in await delivery.rest():
                    await self._note(task, message, error, done)
                raise
            now, known.tried = asyncio.get_running_loop().time(), True
            if delivery.fault is None:
                known.server.worked(now + self._timing.probe)
            else:
                why = f"mail server {task.server}: {delivery.fault}"
                if why != known.server.why:
                    log.warning("voicemail is not mailed", error=why, waiting=sum(known.waiting.values()))
                known.server.failed(now, why)
                metrics.MAILS.labels("failed").inc()
        for message in waiting:
            if message.id in known.letters:
                known.why.setdefault(message.mailbox, known.letters[message.id].why)

    async def _note(self, task: Task, message: Message, error: Exception | None, done: list[Message]) -> None:
        """What became of one message."""
        known, mailbox = self._known, message.mailbox
        if error is not None:
            known.letters.setdefault(message.id, self._timing.patience()).failed(
                asyncio.get_running_loop().time(), str(error)
            )
            log.warning("a voicemail is not mailed", mailbox=mailbox, message=message.id, error=str(error))
            metrics.MAILS.labels("refused").inc()
            return
        metrics.MAILS.labels("taken").inc()
        log.info("voicemail mailed", mailbox=mailbox, message=message.id)
        known.letters.pop(message.id, None)
        known.waiting[mailbox] -= 1
        while True:  # until it is noted no other is mailed, or this one would be mailed again
            try:
                note = self._store.call(voice_mails.note, self._site, mailbox, message.id, now=datetime.now(UTC))
                await _to_its_end(note)
                break
            except StoreError as failure:
                self._trouble = str(failure)
                self._say()
                await asyncio.sleep(1)
        self._trouble = ""
        if task.boxes[mailbox].delete:
            done.append(message)

    async def _delete(self, done: Sequence[Message], task: Task, calls: AsteriskLink) -> None:
        """Have Asterisk delete what was mailed; what it does not do now is found again."""
        patience, now = self._known.deleting, asyncio.get_running_loop().time()
        for message in done if patience.due <= now and isinstance(calls.state, Up) else ():
            if not self._leads() or self._task is not task:
                return
            try:
                await delete_message(calls.ami, message.mailbox, message.folder, message.id)
                patience.worked()
            except PermissionMissing:
                patience.failed(now, MAY_NOT_DELETE)
                break
            except AsteriskError as error:
                log.info("a mailed voicemail is not deleted yet", mailbox=message.mailbox, error=str(error))
                break
        for message in done if patience.why else ():
            self._known.why.setdefault(message.mailbox, patience.why)

    async def _count(self, task: Task, main: AsteriskLink, messages: Mapping[str, Sequence[Message]]) -> None:
        """Ask Asterisk now and then whether it has messages that are not here: then the folder is another one."""
        known, now = self._known, asyncio.get_running_loop().time()
        if now < known.counted_at + self._timing.count or not isinstance(main.state, Up):
            return
        known.counted_at = now
        with suppress(AsteriskError):
            counted = await new_messages(main.ami)
            missing = frozenset(n for n in task.boxes if counted.get(n, 0) and not messages.get(n))
            known.missing, known.suspected = missing & known.suspected, missing  # one may have come this moment


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await it; cancelled, wait for its end all the same."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _scan(task: Task) -> tuple[dict[str, list[Message]], dict[str, str], str]:
    """The new messages of every mailbox that has any; what is wrong, by mailbox; why nothing can be seen at all.

    In a thread: disks may hang.
    """
    messages, troubles = {}, {}
    try:
        there = present(task.path)
    except UnreadableError as error:
        return {}, {}, str(error)
    if not there and not task.path.parent.is_dir():
        return {}, {}, f"{task.path} is not here: the controller must see the folder of Asterisk's messages"
    for number in sorted(task.boxes.keys() & there):
        found, wrong = scan(task.path, number)
        if found:
            messages[number] = found
        if wrong:
            troubles[number] = wrong[0]
    return messages, troubles, ""
