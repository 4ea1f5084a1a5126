"""Delivery reports: from Asterisk's spool to the messages that they tell of."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.modem import PREFIX
from dialplane.services.sms.inbox import forget_reports, reports
from dialplane.services.sms.spool import Report
from dialplane.services.sms.spooled import attend
from dialplane.services.sms.tables import outgoing_parts
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.services.sms.tables.outgoing_parts import Outcome
from dialplane.store import Store, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

WAKE: Final = tuple(f"{prefix}Report" for prefix in PREFIX.values())

_LOCAL, _END_TO_END, _TIME_UP = "i", "e", "t"
"""`SMS_REPORT_TYPE`: the modem's word, the network's, and the driver's that it waits no longer.

The last says nothing of the delivery: some modems never pass a report on (EC25 under chan_quectel)."""
_VALIDITY_OVER = "070"
"""3GPP TS 23.040, 9.2.3.15: 46 hexadecimal, which the driver writes in decimal."""
_GAVE_UP: Final = 0x40
_STILL_TRYING: Final = range(0x20, _GAVE_UP)
"""3GPP TS 23.040, 9.2.3.15: a temporary error, and the network goes on trying."""


def outcome(report: Report) -> tuple[Outcome, str | None]:
    """What a report says of its message, and what went wrong."""
    where = f"{report.dongle}: "
    if report.type == _TIME_UP:
        return "unreported", None
    if report.type == _END_TO_END:
        if report.success:
            return "delivered", None
        status = report.detail.strip(",")
        if _trying(status):
            return "sent", None
        if _VALIDITY_OVER in status.split(","):
            return "expired", f"{where}the network could not deliver it within its validity"
        return "failed", f"{where}the network could not deliver it (status {status or 'unknown'})"
    return ("sent", None) if report.success else ("failed", f"{where}the network did not take it")


def _trying(status: str) -> bool:
    """Return whether the network still tries to deliver: a status says so, and none says that it gave up."""
    codes = [int(code) if code.isdecimal() else _GAVE_UP for code in status.split(",")]
    return any(code in _STILL_TRYING for code in codes) and max(codes) < _GAVE_UP


class ReportReader:
    """Empties the spool of reports of one site's Asterisk."""

    def __init__(self, store: Store, became: Callable[[Outgoing], None]) -> None:
        """`became` hears what became of a message."""
        self._store = store
        self._became = became

    async def serve(self, ami: Ami) -> None:
        """Until this connection ends. Raises as `Ami.action`."""
        await attend(ami, WAKE, self.empty)

    async def empty(self, ami: Ami) -> None:
        """Take what is there now; a report is deleted once the store knows what it says.

        Raises:
            StoreUnavailable: those that are left stay in the spool.
            AsteriskError: as `Ami.action`; a report that is read twice says nothing new.
        """
        found = await reports(ami)
        for report in sorted(found, key=lambda each: each.at):
            says, error = outcome(report)
            try:
                message = await self._store.call(
                    outgoing_parts.reported, report.payload, says, now=datetime.now(UTC), error=error
                )
            except StoreUnavailable:
                raise
            except StoreError as refused:  # no payload of ours, such as one with NUL: the others must not wait for it
                log.warning("a report that the store refuses is dropped", dongle=report.dongle, error=str(refused))
                continue
            if message is None:
                log.info("a report tells of a message that is not known here", dongle=report.dongle, outcome=says)
            else:
                log.info("report", message=message.id, dongle=report.dongle, outcome=says, phase=message.phase)
                self._became(message)
        await forget_reports(ami, found)
