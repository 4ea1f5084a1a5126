"""The life of one call, followed by its events; where they do not come, by looking now and then."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from dialplane.cli.errors import CommandError, NoAnswer, OutcomeUnknown

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import ApiClient

Call = dict[str, Any]

RELEASED: Final = "released"
_RANK: Final = {"reserved": 0, "dialing": 1, "active": 2, RELEASED: 3}
LOOK_SECONDS: Final = 1.0
"""Between two looks."""
STREAMS: Final = 3
"""Streams in a row that end at once and bring no event; after them there is only looking."""
PATIENCE: Final = 60.0
"""Seconds for which the API may be away; a restart takes a few."""


def life(api: "ApiClient", call: Call) -> Iterator[Call]:
    """The call as it is, and after each change of its state, until it is over.

    Raises:
        OutcomeUnknown: the API was away for too long; the call goes on.
        Refused, Unusable: it is not to be seen any more.
    """
    yield call
    barren = 0
    while call["state"] != RELEASED:
        before, began = call, time.monotonic()
        if barren < STREAMS:
            for newer in _streamed(api, call):
                call = newer
                yield call
                if call["state"] == RELEASED:
                    return
        worked = call is not before or time.monotonic() - began > PATIENCE
        barren = 0 if worked else barren + 1
        found = _looked(api, call["id"])
        if _later(found, call):
            call = found
            yield call
        elif barren:
            time.sleep(LOOK_SECONDS)


def _streamed(api: "ApiClient", call: Call) -> Iterator[Call]:
    """What a stream brings that is later than `call`; ends with the stream, however that ends."""
    try:
        for event in api.events(f"/infinity/calls/{call['id']}/events", call["state"]):
            if event.event == "state" and _later(found := json.loads(event.data), call):
                call = found
                yield call
    except (CommandError, ValueError, KeyError, TypeError):
        return  # a look will tell whether there is more to it


def _looked(api: "ApiClient", call_id: str) -> Call:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found: Call = api.get(f"/infinity/calls/{call_id}")
        except NoAnswer as error:
            if time.monotonic() >= end:
                raise OutcomeUnknown(
                    f"{error}; the call goes on: `dialplane call show {call_id}` tells later"
                ) from None
            time.sleep(LOOK_SECONDS)
        else:
            return found


def _later(one: Call, other: Call) -> bool:
    """Whether one is further on; the same state may be told twice, and a look may be older than an event."""
    return _RANK[one["state"]] > _RANK[other["state"]]
