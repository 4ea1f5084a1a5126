"""Messages received: from Asterisk's spool into the store, each once.

Read, kept in one transaction together with the event that tells of it, and only then deleted from the spool. Killed in
between, the line is read again, and its id says that it is there already. AMI's events only wake this: one that is
missed costs time, never a message.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.services.sms import metrics, spool
from dialplane.services.sms.spooled import attend
from dialplane.services.sms.tables import inbox
from dialplane.services.sms.tables.inbox import Received
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.store.events import NewEvent

WAKE: Final = ("DongleNewSMSBase64", "DongleNewSMS", "QuectelNewSMSBase64", "QuectelNewSMS")
"""Events of the drivers that say: a message was received."""
PRUNE_SECONDS: Final = 600.0

_LOG = structlog.get_logger("dialplane.services.sms")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long messages are kept: until either is reached."""

    older_than: timedelta = timedelta(days=365)
    more_than: int = 100_000


def told(message: Received, notifiers: Sequence[str], *, resent: bool = False) -> NewEvent:
    """The event `sms.received` of a message; `notifiers` get it whatever their own `events` say."""
    data: dict[str, Any] = {
        "id": message.id,
        "dongle": message.dongle,
        "sender": message.sender,
        "text": message.text,
        "received_at": message.received_at.isoformat(),
        "truncated": message.truncated,
        "damaged": message.damaged,
        "resent": resent,
        "notifiers": list(notifiers),
    }
    return NewEvent(message.site, "sms.received", "Dongle", message.dongle, message.received_at, data)


class InboxReader:
    """Empties the spool of one site's Asterisk into the store."""

    def __init__(
        self,
        store: Store,
        site: str,
        forward_to: Callable[[str], Sequence[str]],
        retention: Retention = Retention(),
        *,
        stored: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name the site.

        Args:
            store: where messages go.
            site: the namespace.
            forward_to: the Notifiers (`sms.forwardTo`) of a Dongle, by its name; none for one that is no more.
            retention: how long they are kept.
            stored: called after new ones were stored, to wake whoever tells of them.
            now: the clock.
        """
        self._store = store
        self._site = site
        self._forward_to = forward_to
        self._retention = retention
        self._stored = stored
        self._now = now
        self._emptied = asyncio.Event()

    async def serve(self, ami: Ami) -> None:
        """Keep the spool empty until this connection ends, then return."""
        await attend(ami, WAKE, self.empty)

    async def empty(self, ami: Ami) -> int:
        """Take what is in the spool now; returns how many messages were new.

        Raises:
            StoreUnavailable: they stay in the spool.
            AsteriskError: as `Ami.action`; what was stored and not deleted is read again.
        """
        lines = await database.entries(ami, spool.MESSAGES)
        new = 0
        if lines:
            kept = [self._received(line) for line in lines]
            done, new = await self._keep(kept)
            await database.remove(
                ami, spool.MESSAGES, [line.key for line, m in zip(lines, kept, strict=True) if m.id in done]
            )
            if new:
                metrics.RECEIVED.inc(new)
                self._stored()
                _LOG.info("messages received", number=new)
        self._emptied.set()
        return new

    async def retain(self) -> None:
        """Forget old messages from time to time, until cancelled; begins once the spool was read."""
        await self._emptied.wait()
        while True:
            try:
                gone = await self._store.call(
                    inbox.prune,
                    self._site,
                    now=self._now(),
                    older_than=self._retention.older_than,
                    more_than=self._retention.more_than,
                )
            except StoreError as error:
                _LOG.warning("old messages are kept for now", reason=str(error))
            else:
                if gone:
                    _LOG.info("old messages forgotten", number=gone)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _keep(self, messages: Sequence[Received]) -> tuple[set[str], int]:
        """Store them; the ids of those that are stored now, and how many are new."""
        try:
            new = await self._store.call(inbox.add, {m: [self._told(m)] for m in messages})
        except StoreUnavailable:
            raise
        except StoreError:
            if len(messages) == 1:
                _LOG.exception("a message cannot be stored and stays in the spool", message_id=messages[0].id)
                return set(), 0
            singly = [await self._keep([message]) for message in messages]
            return {name for done, _ in singly for name in done}, sum(number for _, number in singly)
        return {message.id for message in messages}, len(new)

    def _told(self, message: Received) -> NewEvent:
        return told(message, self._forward_to(message.dongle))

    def _received(self, line: database.Entry) -> Received:
        read = spool.message(line.key, line.value)
        name = inbox.derived_id(self._site, line.key, line.value)
        now = self._now()
        if isinstance(read, spool.Damaged):
            _LOG.warning("an entry of the spool cannot be read and is kept as it is", message_id=name, reason=read.why)
            return Received(name, self._site, "", "", read.value, now, now, damaged=True)
        return Received(name, self._site, read.dongle, read.sender, read.text, read.at, now, truncated=read.truncated)


async def reports(ami: Ami) -> tuple[spool.Report, ...]:
    """The delivery reports in the spool; once they are in the store, `forget_reports`. Raises as `Ami.action`.

    Those that cannot be read are deleted: nobody is told anything by them.
    """
    read = [spool.report(line.key, line.value) for line in await database.entries(ami, spool.REPORTS)]
    damaged = [found for found in read if isinstance(found, spool.Damaged)]
    for found in damaged:
        _LOG.warning("a delivery report cannot be read and is dropped", spool_id=found.spool_id, reason=found.why)
    await database.remove(ami, spool.REPORTS, [found.spool_id for found in damaged])
    return tuple(found for found in read if isinstance(found, spool.Report))


async def forget_reports(ami: Ami, done: Sequence[spool.Report]) -> None:
    """Delete reports from the spool. Raises as `Ami.action`."""
    await database.remove(ami, spool.REPORTS, [report.spool_id for report in done])
