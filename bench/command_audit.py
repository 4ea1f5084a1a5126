"""Looks over the shoulder of whoever changes commands to devices: a trigger in PostgreSQL, and the devices' own counts.

It shares nothing with `tables.commands`: it sees states change, in the very transactions that change them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

WAITING: Final = ("queued", "sent")
"""What has no end and nobody's word; a device that acknowledged a command may take its time over it."""
ENDS: Final = ("succeeded", "failed", "rejected", "expired", "unknown", "delivered")
_MOST: Final = 20
"""So many findings are enough."""

INSTALL: Final = """
CREATE TABLE command_audit (n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at DOUBLE PRECISION, id TEXT,
  physical BOOLEAN, was TEXT, becomes TEXT, deadline DOUBLE PRECISION);
CREATE FUNCTION audit_command() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO command_audit (at, id, physical, was, becomes, deadline) VALUES (extract(epoch FROM clock_timestamp()),
    NEW.id, NEW.physical, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, extract(epoch FROM NEW.deadline));
  RETURN NULL; END $$;
CREATE TRIGGER audit_new AFTER INSERT ON device_commands FOR EACH ROW EXECUTE FUNCTION audit_command();
CREATE TRIGGER audit_state AFTER UPDATE ON device_commands FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.sends IS DISTINCT FROM NEW.sends) EXECUTE FUNCTION audit_command();
"""
"""Statements that make the trigger."""
ENTRIES: Final = "SELECT at, id, physical, was, becomes, deadline FROM command_audit ORDER BY n"
"""The query of what it saw."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A command was made (`was` is None), its state changed, or it was sent once more."""

    at: float
    """Seconds since 1970."""
    id: str
    physical: bool
    was: str | None
    becomes: str
    deadline: float


def audit(
    changes: Iterable[StateChange], arrivals: Iterable[dict[str, Any]], asked: Iterable[str], *, grace: float
) -> list[str]:
    """Return what must not be: commands without exactly one end, physical ones twice, and whatever is late.

    Args:
        changes: in their order.
        arrivals: at the devices, each with its `id`.
        asked: ids of the commands that were taken.
        grace: seconds by which the end of a command may be later than its deadline.
    """
    states: defaultdict[str, list[StateChange]] = defaultdict(list)
    for change in changes:
        states[change.id].append(change)
    copies = Counter(arrival["id"] for arrival in arrivals)
    findings = [f"{number}: nothing is known of it" for number in asked if number not in states]
    findings += [f"{number} arrived, and nobody asked for it" for number in copies if number not in states]
    for number, life in states.items():
        findings += [f"{number}: {finding}" for finding in _flaws(life, copies[number], grace)]
    return findings[:_MOST]


def _flaws(life: list[StateChange], copies: int, grace: float) -> Iterable[str]:
    last, sent = life[-1], sum(change.becomes == "sent" for change in life)
    way = " -> ".join(change.becomes for change in life)
    if last.becomes in WAITING:
        yield f"it never ended: {way}"
    if sum(change.becomes in ENDS for change in life) > 1 or any(change.was in ENDS for change in life):
        yield f"it ended more than once: {way}"
    if last.physical and (sent > 1 or copies > 1):
        yield f"it is physical, was noted as sent {sent} times and arrived {copies} times: {way}"
    if copies > sent:
        yield f"it arrived {copies} times and was noted as sent {sent} times: {way}"
    if last.becomes in {"succeeded", "delivered"} and not copies:
        yield f"it arrived nowhere: {way}"
    if last.becomes == "expired" and copies and last.physical:
        yield f"it arrived, and is expired: {way}"
    for change in life:
        if change.becomes == "sent" and change.at > change.deadline + 1:
            yield f"it was sent {change.at - change.deadline:.1f} s after its deadline"
        if change.was == "queued" and change.at > change.deadline + grace:
            yield f"it was queued until {change.at - change.deadline:.1f} s after its deadline"
