"""Whom the campaigns call, and how far they are with each.

waiting → calling → answered, or waiting again, or failed. A destination is claimed *before* its call is asked for. The
claim names the call's request key, and keeps that name until a call under it is known to be over: so whoever claims
after a crash, and whoever sleeps with a claim, ask for the same call, and there is one of each key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from dialplane.resources.numbering import Numbering
from dialplane.services.infinity.tables.calls import Outcome
from dialplane.store.columns import METADATA, Json, Moment, sequence
from dialplane.store.engine import Store

DestinationState = Literal["waiting", "calling", "answered", "failed", "skipped"]
"""`skipped`: must not be called, or is no longer on the list."""
ListSource = Literal["inline", "configMap", "upload"]
"""Where a campaign's list comes from."""
Ending = Literal["answered", "missed", "given_back", "blocked"]
"""What became of a claim: somebody was reached; nobody was; the platform was never asked, so it does not count; it must
not be asked."""

NOT_LISTED: Final = "NotListed"
DO_NOT_CALL: Final = "DoNotCall"

UNTOLD: Final = ("TimedOut", "Released")
"""Outcomes after which the platform's record may still come and say that somebody was reached."""

_UNTOLD: Final = sa.text("outcome IN ('TimedOut', 'Released')")
_CALLING: Final = sa.text("state = 'calling'")

DESTINATIONS: Final = sa.Table(
    "campaign_destinations",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("campaign", sa.String(63), nullable=False),
    sa.Column("campaign_uid", sa.String(64), nullable=False),
    sa.Column("number", sa.String(32), nullable=False),  # as it was listed
    sa.Column(
        "digits", sa.String(32), nullable=False
    ),  # `numbering.identity` of when it came; who is listed twice is called once
    sa.Column("case_id", sa.String(64)),
    sa.Column("custom", Json, nullable=False),
    sa.Column("listed", sa.Boolean, nullable=False),  # on the list as it is now
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # that count; the claim of now is one
    sa.Column("calls", sa.Integer, nullable=False),  # that are over, those that do not count too: the keys used up
    sa.Column("request_key", sa.String(160)),  # of the claim of now
    sa.Column("claimed_at", Moment),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("call", sa.String(40)),  # the last one that is over
    sa.Column("outcome", sa.String(16)),  # of that call; or why it is skipped
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("site", "campaign_uid", "digits"),
    sa.Index(None, "site", "campaign_uid", "state", "next_at", "seq"),
    sa.Index(
        "ix_campaign_destinations_calling",
        "site",
        sqlite_where=_CALLING,
        postgresql_where=_CALLING,
    ),
    sa.Index("ix_campaign_destinations_untold", "site", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
    sqlite_autoincrement=True,
)

LISTS: Final = sa.Table(
    "campaign_lists",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("campaign_uid", sa.String(64), nullable=False),
    sa.Column("campaign", sa.String(63), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of all that the states of its destinations were made from
    sa.Column("version", sa.Integer, nullable=False),  # one more with each change
    sa.Column("listed_at", Moment),  # when it was uploaded; NULL: it never was
    sa.Column("seen_at", Moment, nullable=False),  # when the campaign was there last
    sa.PrimaryKeyConstraint("site", "campaign_uid"),
)


@dataclass(frozen=True, slots=True)
class NewDestination:
    """Somebody on a list."""

    number: str
    case_id: str | None = None
    custom: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WantedList:
    """A campaign's list, and what else decides who on it is called."""

    campaign: str
    uid: str
    source: ListSource
    entries: Sequence[NewDestination] | None
    """None: whoever is on it now (it is uploaded)."""
    blocked: frozenset[str]
    """The identities of who must not be called."""
    max_attempts: int
    digest: str
    """Of all of this, but the entries of an upload."""
    numbering: Numbering | None = None
    """Which numbers are one and the same."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a new list changed."""

    total: int
    """People on it."""
    added: int
    removed: int
    repeated: int
    """Lines that name somebody who is on the list already: they are called once."""
    skipped: int
    """People on it who must not be called."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Somebody who is to be called now, by whoever holds this and by nobody else."""

    seq: int
    number: str
    case_id: str | None
    custom: dict[str, str]
    request_key: str
    last_call: str | None
    """The last call, where nobody told of its end in time: a record of it may have come since."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What `claim` found."""

    taken: tuple[Claimed, ...]
    due_at: datetime | None
    """When the next one is due that waits; None: nobody waits."""
    ended: int = 0
    """Of those who waited, who have no attempt left: they have failed."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a claim."""

    seq: int
    request_key: str
    ending: Ending
    next_at: datetime
    """When the next attempt may be, if there is one."""
    max_attempts: int
    call: str | None = None
    """The call's id; None where there was none, so that its key is used again."""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A destination in `calling`, and its call, if there is one by now."""

    seq: int
    campaign: str
    campaign_uid: str
    request_key: str
    claimed_at: datetime
    call: str | None
    call_state: str | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a campaign is; `total` is `answered`, `failed`, `skipped` and `remaining` together."""

    total: int = 0
    dialed: int = 0
    answered: int = 0
    failed: int = 0
    skipped: int = 0
    remaining: int = 0
    calling: int = 0
    """Claims, those of people no longer listed too."""
    due_at: datetime | None = None
    finished_at: datetime | None = None
    """When the last of those ended who are no longer called."""
    listed_at: datetime | None = None
    """When the list was uploaded; None: never."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody to call, as they are kept."""

    seq: int
    number: str
    case_id: str | None
    custom: dict[str, str]
    listed: bool
    state: DestinationState
    attempts: int
    next_at: datetime
    call: str | None
    outcome: str | None
    """How the last call ended; `DoNotCall` or `NotListed` where it is skipped."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some destinations in the order of the list, and where the next page begins."""

    destinations: tuple[Destination, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


def counts(store: Store, site: str, uids: Sequence[str]) -> dict[str, Counts]:
    """How far these campaigns are, by uid; those without a list are not there."""
    found = {}
    with store.read() as connection:
        lists = sa.select(LISTS.c.campaign_uid, LISTS.c.listed_at).where(LISTS.c.site == site)
        listed_at = {
            row.campaign_uid: row.listed_at for row in connection.execute(lists.where(LISTS.c.campaign_uid.in_(uids)))
        }
        for row in connection.execute(_COUNTS.where(_D.site == site, _D.campaign_uid.in_(uids))):
            figures = {name: int(getattr(row, name) or 0) for name in _FIGURES}
            over = row.finished_at if not figures["remaining"] and not figures["calling"] else None
            found[row.campaign_uid] = Counts(
                **figures, due_at=row.due_at, finished_at=over, listed_at=listed_at.get(row.campaign_uid)
            )
    return {uid: found.get(uid, Counts(listed_at=at)) for uid, at in listed_at.items()}


def page(
    store: Store,
    site: str,
    uid: str,
    *,
    limit: int,
    after: int | None = None,
    state: DestinationState | None = None,
) -> Page:
    """Destinations of a campaign, in the order of its list; `after` is the cursor that the page before gave."""
    query = (
        sa.select(*(_D[name] for name in _FIELDS))
        .where(_D.site == site, _D.campaign_uid == uid)
        .order_by(_D.seq)
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(_D.seq > after)
    if state is not None:
        query = query.where(_D.state == state)
    with store.read() as connection:
        found = [Destination(*row) for row in connection.execute(query)]
    kept = tuple(found[:limit])
    return Page(kept, kept[-1].seq if len(found) > limit else None)


def _number_of(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((which, 1)))


_D: Final = DESTINATIONS.c
_FIELDS: Final = tuple(Destination.__dataclass_fields__)
_FIGURES: Final = ("total", "dialed", "answered", "failed", "skipped", "remaining", "calling")
_LISTED: Final = _D.listed.is_(True)
_COUNTS: Final = sa.select(
    _D.campaign_uid,
    _number_of(_LISTED).label("total"),
    sa.func.sum(_D.attempts).label("dialed"),
    *(_number_of(_LISTED & (_D.state == state)).label(state) for state in ("answered", "failed", "skipped")),
    _number_of(_LISTED & _D.state.in_(("waiting", "calling"))).label("remaining"),
    _number_of(_D.state == "calling").label("calling"),
    sa.func.min(sa.case((_D.state == "waiting", _D.next_at)), type_=Moment()).label("due_at"),
    sa.func.max(_D.finished_at, type_=Moment()).label("finished_at"),
).group_by(_D.campaign_uid)
