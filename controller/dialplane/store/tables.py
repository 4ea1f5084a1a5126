"""Every table of the store, in one metadata: what migrations lead to."""

from typing import Final

import sqlalchemy as sa

from dialplane.store import (
    asides,
    calls,
    deliveries,
    destinations,
    do_not_call,
    events,
    inbox,
    known_states,
    outgoing,
    pools,
    voice_mails,
)
from dialplane.store.columns import METADATA

_MODULES: Final = (
    asides,
    calls,
    deliveries,
    destinations,
    do_not_call,
    events,
    inbox,
    known_states,
    outgoing,
    pools,
    voice_mails,
)


def tables() -> sa.MetaData:
    """The metadata, with every module's tables in it."""
    return METADATA
