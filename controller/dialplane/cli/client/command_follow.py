"""Commands to devices, followed by looking now and then until each is over."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from dialplane.cli import device_view as view
from dialplane.cli.errors import Unusable
from dialplane.cli.output import Format, say

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import ApiClient

Command = dict[str, Any]

LOOK_SECONDS: Final = 0.5
"""Between two looks at a command."""


def followed(api: "ApiClient", commands: Sequence[Command], output: Format, *, timeout: float) -> list[Command]:
    """Return the commands once all are over, or as they are after `timeout` seconds.

    Args:
        api: where they are.
        commands: each with `id` and `device_id`.
        output: as text, each state of each is printed as it is seen.
        timeout: in seconds.
    """
    end = time.monotonic() + timeout
    latest = [_look(api, each, "", output) for each in commands]
    while any(each["ended_at"] is None for each in latest) and time.monotonic() < end:
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)
        latest = [each if each["ended_at"] else _look(api, each, each["state"], output) for each in latest]
    return latest


def judge(commands: Sequence[Command], timeout: float) -> None:
    """Raise how the first of the commands ended that did not go well; Unusable where one is not over."""
    for each in commands:
        error = view.verdict(each) if each["ended_at"] is not None else None
        if error is not None:
            raise error
    for each in commands:
        if each["ended_at"] is None:
            raise Unusable(f"{each['device_id']}: {each['id']} is still {each['state']} after {timeout:g} s")


def _look(api: "ApiClient", command: Command, before: str, output: Format) -> Command:
    newer: Command = api.get(f"/devices/{command['device_id']}/commands/{command['id']}")
    if output is Format.TEXT and newer["state"] != before:
        say(view.step(newer), view.colour(newer))
    return newer
