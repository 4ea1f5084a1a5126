"""Every table of the store, in one metadata: what migrations lead to."""

from typing import Final

import sqlalchemy as sa

from dialplane.services.infinity.tables import calls, destinations, do_not_call, pools
from dialplane.services.infinity.tables import unmatched_callbacks as asides
from dialplane.services.notify.tables import deliveries, known_states
from dialplane.services.sms.tables import inbox, outgoing
from dialplane.services.voicemail import tables as voice_mails
from dialplane.store import events
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
