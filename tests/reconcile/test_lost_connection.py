"""How long a lost connection may last before statuses say so."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.asterisk.connection import Down, Up
from dialplane.asterisk.errors import Unreachable
from dialplane.asterisk.status import Start
from dialplane.reconcile import watch
from dialplane.reconcile.watch import Notify, Watch

GRACE = 0.3
ATTEMPT = 0.1


class Link:
    """Connects once, then fails again and again."""

    def __init__(self, _address: AmiAddress) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def changes(self) -> AsyncIterator[Up | Down]:
        ami: Any = None
        yield Up(ami)
        while True:
            yield Down(Unreachable("no answer"))
            await asyncio.sleep(ATTEMPT)


async def start(_ami: Any) -> Start:
    return Start("", None)


async def test_the_grace_runs_from_the_first_failure_and_not_from_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(watch, "AsteriskLink", Link)
    monkeypatch.setattr(watch, "asterisk_start", start)
    monkeypatch.setattr(Watch, "_attend", nothing)
    address = AmiAddress(host="127.0.0.1", username="u", secret=SecretStr("s"))
    async with Watch(address, Notify(lambda: None, lambda: None, lambda _: None), grace=GRACE, refresh=60) as watching:
        started = time.monotonic()
        async with asyncio.timeout(5):  # which would not be enough if each failure began it anew
            while watching.fault is None:
                await asyncio.sleep(ATTEMPT / 10)
        assert time.monotonic() - started > GRACE / 2
        assert str(watching.fault) == "no answer"
