"""Looks over the shoulder of whoever gives out extensions: triggers in the database, and what the callers wrote down.

It shares nothing with `store.leases`: it sees rows change, in the very transactions that change them, and replays them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

STATES: Final = ("reserved", "dialing", "active", "released")
_MOST: Final = 20
"""So many findings are enough."""
_CLOCKS: Final = 0.05
"""Seconds that two clocks' readings may be apart by rounding."""

_SQLITE: Final = (
    """CREATE TABLE lease_audit (n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, what TEXT, number TEXT, tenant TEXT,
       was TEXT, becomes TEXT, seq INTEGER, outcome TEXT, deadline REAL)""",
    """CREATE TRIGGER audit_hold AFTER UPDATE ON pool_extensions WHEN OLD.call IS NOT NEW.call BEGIN
       INSERT INTO lease_audit (at, what, number, tenant, was, becomes) VALUES
       ((julianday('now') - 2440587.5) * 86400.0, 'hold', NEW.number, OLD.tenant, OLD.call, NEW.call); END""",
    """CREATE TRIGGER audit_gone AFTER DELETE ON pool_extensions BEGIN
       INSERT INTO lease_audit (at, what, number, tenant, was) VALUES
       ((julianday('now') - 2440587.5) * 86400.0, 'gone', OLD.number, OLD.tenant, OLD.call); END""",
    """CREATE TRIGGER audit_new AFTER INSERT ON calls BEGIN
       INSERT INTO lease_audit (at, what, number, tenant, becomes, seq) VALUES
       ((julianday('now') - 2440587.5) * 86400.0, 'call', NEW.number, NEW.tenant, NEW.state, NEW.seq); END""",
    """CREATE TRIGGER audit_state AFTER UPDATE ON calls WHEN OLD.state IS NOT NEW.state BEGIN
       INSERT INTO lease_audit (at, what, number, tenant, was, becomes, seq, outcome, deadline) VALUES
       ((julianday('now') - 2440587.5) * 86400.0, 'call', NEW.number, NEW.tenant, OLD.state, NEW.state, NEW.seq,
        NEW.outcome, (julianday(OLD.deadline) - 2440587.5) * 86400.0); END""",
)
_POSTGRES: Final = (
    """CREATE TABLE lease_audit (n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at DOUBLE PRECISION, what TEXT,
       number TEXT, tenant TEXT, was TEXT, becomes TEXT, seq BIGINT, outcome TEXT, deadline DOUBLE PRECISION)""",
    """CREATE FUNCTION audit_extension() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF TG_OP = 'DELETE' THEN
         INSERT INTO lease_audit (at, what, number, tenant, was)
         VALUES (extract(epoch FROM clock_timestamp()), 'gone', OLD.number, OLD.tenant, OLD.call);
       ELSE
         INSERT INTO lease_audit (at, what, number, tenant, was, becomes)
         VALUES (extract(epoch FROM clock_timestamp()), 'hold', NEW.number, OLD.tenant, OLD.call, NEW.call);
       END IF; RETURN NULL; END $$""",
    """CREATE FUNCTION audit_call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       INSERT INTO lease_audit (at, what, number, tenant, was, becomes, seq, outcome, deadline)
       VALUES (extract(epoch FROM clock_timestamp()), 'call', NEW.number, NEW.tenant, OLD.state, NEW.state, NEW.seq,
               NEW.outcome, extract(epoch FROM OLD.deadline));
       RETURN NULL; END $$""",
    """CREATE TRIGGER audit_hold AFTER UPDATE ON pool_extensions FOR EACH ROW
       WHEN (OLD.call IS DISTINCT FROM NEW.call) EXECUTE FUNCTION audit_extension()""",
    "CREATE TRIGGER audit_gone AFTER DELETE ON pool_extensions FOR EACH ROW EXECUTE FUNCTION audit_extension()",
    "CREATE TRIGGER audit_new AFTER INSERT ON calls FOR EACH ROW EXECUTE FUNCTION audit_call()",
    """CREATE TRIGGER audit_state AFTER UPDATE ON calls FOR EACH ROW
       WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION audit_call()""",
)


class Entry(NamedTuple):
    """One row that changed. Of one number, and of one tenant's new calls, the order is that of the changes."""

    at: float
    what: str
    """`hold`, `gone` (of extensions), `call`."""
    number: str
    tenant: str
    was: str | None
    """The holder, or the state."""
    becomes: str | None
    seq: int | None
    outcome: str | None
    deadline: float | None
    """Of the state before; seconds since 1970, as `at`."""


class Held(NamedTuple):
    """What a caller wrote down: from when to when it relied on an extension."""

    number: str
    seq: int
    since: float
    until: float


def install(engine: sa.Engine) -> None:
    """Put the triggers into a database whose tables are there."""
    with engine.begin() as connection:
        for statement in _POSTGRES if engine.dialect.name == "postgresql" else _SQLITE:
            connection.exec_driver_sql(statement)


def entries(engine: sa.Engine, *, chunk: int = 50_000) -> Iterator[Entry]:
    """All that the triggers wrote, in order."""
    query = sa.text(
        "SELECT n, at, what, number, tenant, was, becomes, seq, outcome, deadline FROM lease_audit"
        " WHERE n > :last ORDER BY n LIMIT :chunk"
    )
    last = 0
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query, {"last": last, "chunk": chunk}).all()
        if not rows:
            return
        for row in rows:
            yield Entry(*row[1:])
        last = rows[-1][0]


@dataclass
class Audit:
    """Replays what happened; `findings` says what must not have.

    Args:
        maximum: calls that each tenant may have at a time.
        grace: seconds after a deadline by which a lease must be over.
    """

    maximum: Mapping[str, int]
    grace: float
    findings: list[str] = field(default_factory=list)
    leases: int = 0
    released: int = 0
    reaped: int = 0
    latest: float = 0.0
    """The longest time that a lease outlived its deadline, seconds."""
    peak: Counter[str] = field(default_factory=Counter)
    """The most calls that a tenant had at a time."""
    _holder: dict[str, str] = field(default_factory=dict)
    _live: dict[int, str] = field(default_factory=dict)
    _states: dict[int, str] = field(default_factory=dict)
    _numbers: dict[int, str] = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)

    def replay(self, told: Iterable[Entry]) -> None:
        """Everything that the triggers wrote."""
        for entry in told:
            if entry.what == "call":
                self._call(entry)
            else:
                self._hold(entry)

    def ended(self) -> None:
        """Nothing more is to come: nothing may be held."""
        for number, holder in self._holder.items():
            self._say(f"{number} is still held by call {holder} in the end")
        for seq, number in self._live.items():
            self._say(f"call {seq} on {number} is still {self._states[seq]} in the end")

    def compare(self, held: Iterable[Held]) -> None:
        """What callers wrote down: nobody relied on an extension while another did, and each had what it says."""
        by_number: dict[str, list[Held]] = defaultdict(list)
        for each in held:
            by_number[each.number].append(each)
            if self._numbers.get(each.seq) != each.number:
                self._say(f"a caller had {each.number} for call {each.seq}, of which the database says otherwise")
        for number, intervals in by_number.items():
            last: Held | None = None
            for each in sorted(intervals, key=lambda one: one.since):
                if last is not None and each.since < last.until:
                    self._say(f"{number} was held twice at once, by callers of {last.seq} and {each.seq}")
                last = each if last is None or each.until > last.until else last

    def _hold(self, entry: Entry) -> None:
        holder = self._holder.pop(entry.number, None)
        if entry.was != holder:
            self._say(f"{entry.number} was of call {holder}, and its row said {entry.was}")
        if entry.what == "gone":
            if holder is not None:
                self._say(f"{entry.number} was taken away from call {holder}")
        elif entry.becomes is not None:
            if holder is not None:
                self._say(f"{entry.number} was held twice at once, by calls {holder} and {entry.becomes}")
            self._holder[entry.number] = entry.becomes

    def _call(self, entry: Entry) -> None:
        seq, state = entry.seq or 0, entry.becomes or ""
        if entry.was is None:
            self._begin(entry, seq)
        elif STATES.index(state) <= STATES.index(entry.was) or self._states.get(seq) != entry.was:
            self._say(f"call {seq} was {self._states.get(seq)}, and moved from {entry.was} to {state}")
        self._states[seq] = state
        late = entry.at - entry.deadline if entry.deadline is not None else 0.0
        by_deadline = entry.outcome == "TimedOut" and state == "released"
        if by_deadline and late < -_CLOCKS:
            self._say(f"call {seq} was ended {-late:.3f} s before its deadline")
        if late > self.grace:
            self._say(f"call {seq} was {entry.was} until {late:.1f} s after its deadline")
        self.latest = max(self.latest, late)
        if state == "released":
            self.released += 1
            self.reaped += by_deadline
            self._live.pop(seq, None)
            self._count[entry.tenant] -= 1

    def _begin(self, entry: Entry, seq: int) -> None:
        self.leases += 1
        self._live[seq] = self._numbers[seq] = entry.number
        self._count[entry.tenant] += 1
        count = self._count[entry.tenant]
        self.peak[entry.tenant] = max(self.peak[entry.tenant], count)
        if count > self.maximum[entry.tenant]:
            self._say(f"{entry.tenant} had {count} calls with call {seq}, {self.maximum[entry.tenant]} are allowed")

    def _say(self, finding: str) -> None:
        if len(self.findings) < _MOST:
            self.findings.append(finding)


def written(log: Path, died: float | None) -> Iterator[Held]:
    """What one process wrote down; `died` is when it was killed, None where it ended by itself."""
    open_ones: dict[int, tuple[str, float, float]] = {}
    for line in log.read_text().splitlines():
        parts: list[Any] = line.split()
        what, number, seq, at, until = parts[0], parts[1], int(parts[2]), float(parts[3]), float(parts[4])
        if what == "got":
            open_ones[seq] = (number, at, until)
        elif seq in open_ones:
            _, since, deadline = open_ones.pop(seq)
            yield Held(number, seq, since, min(at, deadline))
    for seq, (number, since, deadline) in open_ones.items():  # forgotten, or its holder was killed
        yield Held(number, seq, since, min(deadline, died if died is not None else deadline))
