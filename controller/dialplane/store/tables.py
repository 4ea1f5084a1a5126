"""Every table of the store, in one metadata: what migrations lead to."""

from typing import Final

import sqlalchemy as sa

from dialplane.store import deliveries, events, inbox, known_states, outgoing
from dialplane.store.columns import METADATA

_MODULES: Final = (deliveries, events, inbox, known_states, outgoing)


def tables() -> sa.MetaData:
    """The metadata, with every module's tables in it."""
    return METADATA
