"""Messages of mailboxes that were mailed, and since when each mailbox has been mailed at all.

A message itself waits in its mailbox, in Asterisk's spool. What is here keeps it from being mailed a second time.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

KEEP: Final = timedelta(days=7)
"""How long a message that has left its mailbox is remembered: it may be put back."""

VOICE_MAILBOXES: Final = sa.Table(
    "voice_mailboxes",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("mailbox", sa.String(16), nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.PrimaryKeyConstraint("site", "mailbox"),
)

VOICE_MAILS: Final = sa.Table(
    "voice_mails",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("mailbox", sa.String(16), nullable=False),
    sa.Column("message", sa.String(64), nullable=False),
    sa.Column("mailed_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("site", "mailbox", "message"),
)


def look_after(
    store: Store, site: str, mailboxes: Collection[str], no_longer: Collection[str], *, now: datetime
) -> dict[str, datetime]:
    """Since when each of `mailboxes` has been mailed: from now on, where it is new.

    `no_longer` are mailboxes that are not to be mailed any more: what comes to them meanwhile is not mailed later.
    """
    mine = VOICE_MAILBOXES.c.site == site
    with store.read() as connection:
        known = {row.mailbox: row.since for row in connection.execute(sa.select(VOICE_MAILBOXES).where(mine))}
    new, gone = [name for name in mailboxes if name not in known], [name for name in no_longer if name in known]
    if new or gone:
        with store.write() as connection:
            if gone:
                one = mine & (VOICE_MAILBOXES.c.mailbox == sa.bindparam("gone"))
                connection.execute(sa.delete(VOICE_MAILBOXES).where(one), [{"gone": name} for name in gone])
            if new:
                rows = [{"site": site, "mailbox": name, "since": now} for name in new]
                connection.execute(store.insert_new(VOICE_MAILBOXES), rows)
    return {name: known.get(name, now) for name in mailboxes}


def mailed(
    store: Store, site: str, present: Mapping[str, Collection[str]], *, now: datetime
) -> dict[str, frozenset[str]]:
    """Which of the messages that are in their mailboxes were mailed; those that left long ago are forgotten."""
    found, left = {}, []
    with store.read() as connection:
        for mailbox, messages in present.items():
            mine = (VOICE_MAILS.c.site == site) & (VOICE_MAILS.c.mailbox == mailbox)
            rows = connection.execute(sa.select(VOICE_MAILS.c.message, VOICE_MAILS.c.mailed_at).where(mine)).all()
            found[mailbox] = frozenset(row.message for row in rows) & frozenset(messages)
            old = (row.message for row in rows if row.message not in messages and row.mailed_at < now - KEEP)
            left += [{"box": mailbox, "left": message} for message in old]
    if left:
        own = (VOICE_MAILS.c.site == site) & (VOICE_MAILS.c.mailbox == sa.bindparam("box"))
        one = own & (VOICE_MAILS.c.message == sa.bindparam("left"))
        with store.write() as connection:
            connection.execute(sa.delete(VOICE_MAILS).where(one), left)
    return found


def note(store: Store, site: str, mailbox: str, message: str, *, now: datetime) -> None:
    """The mail server has taken this message."""
    row = {"site": site, "mailbox": mailbox, "message": message, "mailed_at": now}
    with store.write() as connection:
        connection.execute(store.insert_new(VOICE_MAILS), [row])
