"""PURE: whether a device is online: whether it was heard within its timeout, as far as the store can know.

A replica writes when a connection was last heard once a minute, and exactly when it closes it. In between an open
connection of a living replica counts as heard, for the replica itself closes one that is silent. What nobody can know
is left as it was: of a replica that is gone for less than the timeout, and of everything while the leader, or the
store, has not been back for that long. So a restart of either, with the devices back in time, changes nothing.
"""

from datetime import datetime, timedelta
from typing import Final

from dialplane.services.elevator.tables.sessions import Session

STALE: Final = timedelta(minutes=6)
"""A living replica writes at least that often when it heard a connection; one that it forgot is offline in the end."""


def judge(
    session: Session, *, timeout: timedelta, gone_at: datetime | None, watched_since: datetime, now: datetime
) -> bool | None:
    """Return whether the device of a session is online; None: as it was.

    Args:
        session: the newest one of the device.
        timeout: after how long a silence it is offline.
        gone_at: since when its replica does not live; None: it lives.
        watched_since: since when the leader has looked without interruption.
        now: the time.
    """
    if is_open(session) and gone_at is None:
        return max(session.seen_at, watched_since) + timeout + STALE > now
    if session.seen_at + timeout > now:
        return True
    since = watched_since
    if is_open(session) and gone_at is not None:  # until then it may have been heard
        since = max(since, gone_at)
    return None if since + timeout > now else False


def is_open(session: Session) -> bool:
    """Return whether a connection is open; one that was heard after it was closed by somebody else is."""
    return session.closed_at is None or session.seen_at > session.closed_at
