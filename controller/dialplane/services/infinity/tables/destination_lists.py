"""The lists of the campaigns: who is on them, as of now."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.infinity.tables import list_changes
from dialplane.services.infinity.tables.destinations import DESTINATIONS, LISTS, NewDestination, Synced, WantedList
from dialplane.services.infinity.tables.list_changes import Changes
from dialplane.store.engine import Store
from dialplane.store.errors import StoreUnavailable

PRUNED_AT_ONCE: Final = 5_000
"""Rows that are forgotten in one transaction: others may write between two."""

_TRIES: Final = 5
_D: Final = DESTINATIONS.c


def sync(store: Store, site: str, wanted: WantedList, *, now: datetime) -> Synced | None:
    """Make a campaign's list this one, in one transaction; who is on both goes on where they are.

    Somebody who is removed is not called again, and goes on with their attempts when they come back. Somebody who was
    not reached is called again where there may be more attempts than there were.

    Returns:
        What changed; None where it is the very same list (by its digest), which costs one look.
    """
    for _ in range(_TRIES):
        with store.read() as connection:
            kept = connection.execute(sa.select(LISTS).where(_of(site, wanted.uid))).one_or_none()
            if kept is not None and kept.digest == wanted.digest and not _uploaded(wanted):
                return None
            changes = list_changes.find(connection, site, wanted, _entries(wanted, kept))
        if _write(store, site, wanted, kept, changes, now=now):
            return changes.synced
    raise StoreUnavailable(f"the list of the Campaign {wanted.campaign} is being changed by others all the time")


def _write(store: Store, site: str, wanted: WantedList, kept: Any, changes: Changes, *, now: datetime) -> bool:
    """Write the changes of a list, unless it is not `kept` any more: then somebody else was quicker."""
    version = 0 if kept is None else kept.version
    entries = _entries(wanted, kept)
    with store.write() as connection:
        new = {"site": site, "campaign_uid": wanted.uid, "campaign": wanted.campaign, "source": wanted.source}
        connection.execute(store.insert_new(LISTS).values(**new, digest="", version=0, seen_at=now))
        mine = _of(site, wanted.uid)
        if connection.execute(sa.select(LISTS.c.version).where(mine).with_for_update()).scalar_one() != version:
            return False
        list_changes.write(connection, site, wanted, changes, now=now)
        values: dict[str, Any] = {
            "source": wanted.source,
            "digest": wanted.digest,
            "version": version + 1,
            "seen_at": now,
        }
        if entries is not None:
            values["listed_at"] = now if _uploaded(wanted) else None
        connection.execute(sa.update(LISTS).where(mine).values(**values))
    return True


def _of(site: str, uid: str) -> sa.ColumnElement[bool]:
    return (LISTS.c.site == site) & (LISTS.c.campaign_uid == uid)


def _uploaded(wanted: WantedList) -> bool:
    return wanted.source == "upload" and wanted.entries is not None


def _entries(wanted: WantedList, kept: Any) -> Sequence[NewDestination] | None:
    """What came from elsewhere is not what somebody uploads: until then nobody is on the list."""
    elsewhere = kept is None or kept.source != wanted.source
    return () if wanted.entries is None and elsewhere else wanted.entries


def known(store: Store, site: str, uid: str) -> bool:
    """Whether a campaign has, or had, a list here: perhaps an empty one."""
    with store.read() as connection:
        return connection.execute(sa.select(LISTS.c.version).where(_of(site, uid))).one_or_none() is not None


def seen(store: Store, site: str, uids: Iterable[str], *, now: datetime) -> None:
    """These campaigns are there, also those whose manifest cannot be read: what is known of them stays."""
    gone = sa.update(LISTS).where(LISTS.c.site == site, LISTS.c.campaign_uid == sa.bindparam("uid"))
    there = [{"uid": uid} for uid in sorted(uids)]
    if there:
        with store.write() as connection:
            connection.execute(gone.values(seen_at=now), there)


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta) -> int:
    """Forget the destinations of campaigns that have not been `seen` for so long; returns how many."""
    old = sa.select(LISTS.c.campaign_uid).where(LISTS.c.site == site, LISTS.c.seen_at < now - older_than)
    with store.read() as connection:
        uids = connection.execute(old).scalars().all()
    gone = 0
    for uid in uids:
        mine = (_D.site == site) & (_D.campaign_uid == uid)
        some = sa.select(_D.seq).where(mine, _D.state != "calling").limit(PRUNED_AT_ONCE)
        while True:
            with store.write() as connection:
                deleted = connection.execute(sa.delete(DESTINATIONS).where(_D.seq.in_(some))).rowcount
            gone += deleted
            if deleted < PRUNED_AT_ONCE:
                break
        left = sa.exists().where(mine)
        with store.write() as connection:
            connection.execute(sa.delete(LISTS).where(LISTS.c.site == site, LISTS.c.campaign_uid == uid, ~left))
    return gone
