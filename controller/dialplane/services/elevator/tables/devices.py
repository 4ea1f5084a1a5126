"""Tokens that Dialplane made for devices, and devices that registered themselves: of a token only its digest."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Moment
from dialplane.store.engine import Store

PREFIX: Final = "dev_"
"""Of the ids of devices that registered themselves; no name of a resource begins so."""
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 12

DEVICES: Final = sa.Table(
    "devices",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("location", AnyText),
    sa.Column("profile", sa.String(63)),
    sa.Column("token_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("made_by", sa.String(253), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A device that has a token of ours."""

    device: str
    location: str | None
    """Of one that registered itself; None: a manifest says it."""
    profile: str | None
    """The ElevatorDevice whose settings a device without a manifest has."""
    token_digest: bytes
    """SHA-256."""
    made_by: str
    """The name of the token that asked for it."""
    made_at: datetime


def new_token() -> str:
    """Return a token for a device; only `digest` of it is to be kept."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """Return what is kept of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def new_id() -> str:
    """Return an id for a device that registers itself: `dev_` and 12 letters and digits."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def register(store: Store, site: str, new: Registered, *, most: int) -> bool:
    """Add a device that registers itself, unless the site has `most` of them; return whether it was added."""
    counted = sa.select(sa.func.count()).select_from(DEVICES).where(DEVICES.c.site == site, _itself())
    with store.write() as connection:
        if connection.execute(counted).scalar_one() >= most:
            return False
        connection.execute(sa.insert(DEVICES).values(_row(site, new)))
    return True


def set_token(store: Store, site: str, device: str, token_digest: bytes, *, by: str, now: datetime) -> None:
    """Give a device another token: the one before is good for nothing from then on.

    Args:
        store: the store.
        site: the namespace.
        device: one that registered itself keeps its location and profile.
        token_digest: SHA-256 of the token.
        by: the name of the API's token that asked for it.
        now: when.
    """
    changed = {"token_digest": token_digest, "made_by": by, "made_at": now}
    one = (DEVICES.c.site == site) & (DEVICES.c.device == device)
    with store.write() as connection:
        if connection.execute(sa.update(DEVICES).where(one).values(changed)).rowcount:
            return
        new = Registered(device, None, None, token_digest, by, now)
        added = connection.execute(store.insert_new(DEVICES).returning(DEVICES.c.device), [_row(site, new)]).all()
        if not added:  # another process was faster by a moment
            connection.execute(sa.update(DEVICES).where(one).values(changed))


def remove(store: Store, site: str, device: str) -> bool:
    """Take away a device that registered itself; return whether there was one."""
    one = (DEVICES.c.site == site) & (DEVICES.c.device == device) & _itself()
    with store.write() as connection:
        return bool(connection.execute(sa.delete(DEVICES).where(one)).rowcount)


def listed(store: Store, site: str) -> tuple[Registered, ...]:
    """Return every device of the site that has a token of ours."""
    query = sa.select(DEVICES).where(DEVICES.c.site == site).order_by(DEVICES.c.device)
    with store.read() as connection:
        return tuple(_registered(row) for row in connection.execute(query))


def _itself() -> sa.ColumnElement[bool]:
    return DEVICES.c.location.is_not(None)


def _row(site: str, new: Registered) -> dict[str, Any]:
    return {"site": site, **{name: getattr(new, name) for name in Registered.__dataclass_fields__}}


def _registered(row: Any) -> Registered:
    return Registered(**{name: getattr(row, name) for name in Registered.__dataclass_fields__})
