"""Commands to devices in the store (`command_life` says how each one goes).

A command is noted as sent *before* its bytes go out, by the replica whose connection counts: so nothing is ever sent
twice without the store knowing.

Locks are taken in the order of `seq`; a claim waits for none.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.elevator.tables.command_life import (
    ANSWER_WITHIN,
    RESULT_WITHIN,
    Change,
    Command,
    CommandState,
    NewCommand,
    after,
    overdue,
)
from dialplane.services.elevator.tables.sessions import SESSIONS
from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence
from dialplane.store.engine import Store
from dialplane.store.json_rows import json_rows

__all__ = [
    "LIVE_STATES", "Change", "Command", "CommandPage", "CommandState", "NewCommand", "change", "claim",
    "earlier_within", "end_overdue", "get", "page", "prune", "queue", "queue_within", "queued_counts",
]  # fmt: skip

PREFIX: Final = "cmd-"
"""What an id of a command begins with."""
EACH: Final = 4
"""Commands of one device in one claim: no device keeps the others waiting."""

LIVE_STATES: Final[tuple[CommandState, ...]] = ("queued", "sent", "acknowledged")
"""Of commands that have not ended."""
_LIVE: Final = "state IN ('queued', 'sent', 'acknowledged')"

COMMANDS: Final = sa.Table(
    "device_commands",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("physical", sa.Boolean, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("token", sa.String(253), nullable=False),
    sa.Column("request_key", sa.String(160), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("deadline", Moment, nullable=False),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("replica", sa.String(127)),
    sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("queued_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("acknowledged_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("reason", AnyText),
    sa.Column("result", Json, nullable=False),
    sa.UniqueConstraint("site", "token", "request_key", "device"),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(
        "ix_device_commands_live",
        "site",
        "device",
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sa.Index(
        "ix_device_commands_live_deadline",
        "site",
        "deadline",
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sqlite_autoincrement=True,
)


LIVE: Final = sa.text(f"device_commands.{_LIVE}")
"""Of commands that have not ended: literal, since no database uses a partial index for a parameter."""


@dataclass(frozen=True, slots=True)
class CommandPage:
    """Some commands, the newest first, and where the next page begins."""

    commands: tuple[Command, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


def queue(store: Store, site: str, wanted: Sequence[NewCommand], *, now: datetime) -> list[Command]:
    """Keep commands to be sent, in one transaction; the same token's same request key for a device is kept once.

    Returns:
        Each command as it is then, in the order of `wanted`. One that was there already may be another than the wanted
        one: compare `name` and `data`.
    """
    with store.write() as connection:
        return queue_within(connection, store, site, wanted, now=now)


def queue_within(
    connection: sa.Connection, store: Store, site: str, wanted: Sequence[NewCommand], *, now: datetime
) -> list[Command]:
    """Do what `queue` does in the transaction of the caller."""
    rows = [
        {
            **{name: getattr(new, name) for name in NewCommand.__dataclass_fields__},
            "id": PREFIX + secrets.token_hex(12),
            "site": site,
            "state": "queued",
            "sends": 0,
            "queued_at": now,
            "result": None,
        }
        for new in sorted(wanted, key=_key)  # two that repeat each other wait in one order
    ]
    if not rows:
        return []
    inserted = connection.execute(store.insert_new(COMMANDS).returning(COMMANDS), rows)
    kept = {_key(each): each for each in map(command, inserted)}
    if earlier := [new for new in wanted if _key(new) not in kept]:
        kept |= earlier_within(connection, site, earlier)
    return [kept[_key(new)] for new in wanted]


def earlier_within(
    connection: sa.Connection, site: str, wanted: Sequence[NewCommand]
) -> dict[tuple[str, str, str], Command]:
    """Return those that were queued already, by token, request key and device, in the transaction of the caller."""
    names = ("token", "request_key", "device")
    asked = json_rows(connection, [_key(new) for new in wanted], dict.fromkeys(names, sa.String()))
    same = sa.and_(COMMANDS.c.site == site, *(COMMANDS.c[name] == asked.c[name] for name in names))
    # An outer join, or SQLite would read all rows of `asked` for each command of the site.
    rows = connection.execute(sa.select(COMMANDS).select_from(asked.outerjoin(COMMANDS, same)))
    return {_key(each): each for each in (command(row) for row in rows if row.id is not None)}


def _key(each: NewCommand) -> tuple[str, str, str]:
    return each.token, each.request_key, each.device


def claim(
    store: Store,
    site: str,
    replica: str,
    epochs: Mapping[str, int],
    *,
    now: datetime,
    limit: int = 200,
    expected: bool = False,
) -> list[Command]:
    """Note commands as sent over connections of this replica; what is returned is to be sent now, and only that.

    These are queued ones, and safe ones that were sent over an older connection of their device and had no answer.

    Args:
        store: the database.
        site: the namespace.
        replica: whose connections.
        epochs: of the devices that a command can be sent to; an older epoch than the database has gets nothing.
        now: a command whose deadline has passed is not returned.
        limit: how many at most.
        expected: there are some, as somebody sent a hint: they are looked for in the transaction that writes.

    Returns:
        The oldest first; of one device at most `EACH` that were queued, and as many that go again.
    """
    # Without a join: PostgreSQL that has counted nothing yet reads all sessions for each command.
    columns = COMMANDS.c
    nth = sa.func.row_number().over(partition_by=(columns.device, columns.state), order_by=columns.seq).label("nth")
    live = (
        sa.select(columns.seq, columns.device, columns.state, columns.epoch, nth).where(_may_go(site, now)).subquery()
    )
    waiting = sa.select(live).where(live.c.nth <= EACH).order_by(live.c.seq)

    def choose(connection: sa.Connection) -> list[Any]:
        return [row for row in connection.execute(waiting) if _goes(row, epochs.get(row.device))][:limit]

    if not expected:
        with store.read() as connection:  # mostly there are none, and nothing is written
            if not choose(connection):
                return []
    with store.write() as connection:
        chosen = choose(connection)
        return _claim_within(connection, site, replica, epochs, chosen, now) if chosen else []


def _claim_within(
    connection: sa.Connection, site: str, replica: str, epochs: Mapping[str, int], chosen: Sequence[Any], now: datetime
) -> list[Command]:
    columns, newest = COMMANDS.c, SESSIONS.c
    devices = {row.device for row in chosen}
    mine = sa.and_(newest.site == site, newest.device.in_(devices), newest.replica == replica)
    connected = sa.select(newest.device, newest.epoch).where(mine, newest.closed_at.is_(None))
    query = (
        sa.select(COMMANDS)
        .where(_may_go(site, now), columns.seq.in_([row.seq for row in chosen]))
        .order_by(columns.seq)
        .with_for_update(skip_locked=True)
    )
    now_open: dict[str, int] = dict(iter(connection.execute(connected)))
    claimed = [
        replace(each, state="sent", epoch=epoch, replica=replica, sends=each.sends + 1, sent_at=now)
        for each in map(command, connection.execute(query))
        if (epoch := now_open.get(each.device)) is not None and epoch == epochs.get(each.device) and _goes(each, epoch)
    ]
    _write_sent(connection, claimed, replica, now)
    return claimed


def _may_go(site: str, now: datetime) -> sa.ColumnElement[bool]:
    """Queued, or safe and sent; its deadline is ahead."""
    columns = COMMANDS.c
    state = (columns.state == "queued") | ((columns.state == "sent") & columns.physical.is_(False))
    return sa.and_(columns.site == site, LIVE, columns.deadline > now, state)


def _goes(waiting: Any, epoch: int | None) -> bool:
    """Whether a command, as it may go, goes over the connection with this epoch."""
    return epoch is not None and (waiting.state == "queued" or waiting.epoch < epoch)


def change(store: Store, site: str, changes: Sequence[Change], *, now: datetime) -> list[Command]:
    """Note what devices, or the ends of their connections, made of commands; one transaction.

    Returns:
        The commands that changed, as they are then.
    """
    if not changes:
        return []
    query = (
        sa.select(COMMANDS)
        .where(COMMANDS.c.site == site, COMMANDS.c.id.in_({each.id for each in changes}))
        .order_by(COMMANDS.c.seq)
        .with_for_update()
    )
    with store.write() as connection:
        before = {row.id: command(row) for row in connection.execute(query)}
        kept = dict(before)
        for each in changes:
            if each.id in kept:
                kept[each.id] = after(kept[each.id], each, now)
        changed = [kept[name] for name, was in before.items() if kept[name] is not was]
        _write(connection, changed)
        return changed


def end_overdue(store: Store, site: str, *, now: datetime, limit: int = 500) -> list[Command]:
    """End commands whose time is over: `expired` where they were never sent, otherwise `unknown`.

    Returns:
        The commands that ended, as they are then.
    """
    columns = COMMANDS.c
    over = sa.or_(
        (columns.state == "queued") & (columns.deadline <= now),
        (columns.state == "sent") & (columns.deadline <= now - ANSWER_WITHIN),
        (columns.state == "acknowledged")
        & (columns.deadline <= now)
        & (columns.acknowledged_at <= now - RESULT_WITHIN),
    )
    query = (
        sa.select(COMMANDS)
        .where(columns.site == site, LIVE, columns.deadline <= now, over)
        .order_by(columns.seq)
        .limit(limit)
    )
    with store.read() as connection:
        if connection.execute(query.with_only_columns(columns.seq).limit(1)).first() is None:
            return []
    with store.write() as connection:
        ended = [overdue(command(row), now) for row in connection.execute(query.with_for_update(skip_locked=True))]
        _write(connection, ended)
        return ended


def get(store: Store, site: str, command_id: str) -> Command | None:
    """Return one command."""
    with store.read() as connection:
        row = connection.execute(
            sa.select(COMMANDS).where(COMMANDS.c.site == site, COMMANDS.c.id == command_id)
        ).one_or_none()
    return None if row is None else command(row)


def page(
    store: Store, site: str, device: str, *, limit: int, before: int | None = None, state: CommandState | None = None
) -> CommandPage:
    """Return commands of a device, in one state or any, the newest first; `before` is the cursor of the page before."""
    columns = COMMANDS.c
    query = sa.select(COMMANDS).where(columns.site == site, columns.device == device)
    if before is not None:
        query = query.where(columns.seq < before)
    if state is not None:
        query = query.where(columns.state == state)
    with store.read() as connection:
        rows = [command(row) for row in connection.execute(query.order_by(columns.seq.desc()).limit(limit + 1))]
    kept = tuple(rows[:limit])
    return CommandPage(kept, kept[-1].seq if len(rows) > limit else None)


def queued_counts(store: Store, site: str, *, until: datetime | None = None) -> dict[str, int]:
    """Return how many commands wait for each device, those queued by `until`; devices without any are left out."""
    columns = COMMANDS.c
    early = sa.true() if until is None else columns.queued_at <= until
    query = (
        sa.select(columns.device, sa.func.count().label("number"))
        .where(columns.site == site, LIVE, columns.state == "queued", early)
        .group_by(columns.device)
    )
    with store.read() as connection:
        return {row.device: row.number for row in connection.execute(query)}


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta) -> int:
    """Delete commands that ended before that age; returns how many."""
    old = (COMMANDS.c.site == site) & (COMMANDS.c.ended_at < now - older_than)
    with store.write() as connection:
        return connection.execute(sa.delete(COMMANDS).where(old)).rowcount


def command(row: Any) -> Command:
    """Return a row of the table."""
    values: Mapping[str, Any] = {name: getattr(row, name) for name in Command.__dataclass_fields__}
    return Command(**values)


def _write_sent(connection: sa.Connection, claimed: Sequence[Command], replica: str, now: datetime) -> None:
    """Write that locked commands are sent, each over its epoch, in one statement: there may be a thousand a second."""
    if claimed:
        rows = [[each.seq, each.epoch] for each in claimed]
        each = json_rows(connection, rows, {"seq": sa.BigInteger(), "epoch": sa.BigInteger()})
        values = {
            "state": "sent",
            "epoch": each.c.epoch,
            "replica": replica,
            "sends": COMMANDS.c.sends + 1,
            "sent_at": now,
        }
        connection.execute(sa.update(COMMANDS).where(COMMANDS.c.seq == each.c.seq).values(values))


def _write(connection: sa.Connection, commands: Sequence[Command]) -> None:
    """Write what may change of commands that are locked."""
    rows = [{f"b_{name}": getattr(each, name) for name in ("seq", *_CHANGING)} for each in commands]
    if rows:
        values = {name: sa.bindparam(f"b_{name}", type_=COMMANDS.c[name].type) for name in _CHANGING}
        connection.execute(sa.update(COMMANDS).where(COMMANDS.c.seq == sa.bindparam("b_seq")).values(values), rows)


_CHANGING: Final = (
    "state", "epoch", "replica", "sends", "sent_at", "acknowledged_at", "ended_at", "reason", "result",
)  # fmt: skip
