"""The peers that notifications go to, and a site with Notifiers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dialplane.services.notify.delivery import Patience
from dialplane.store import Store
from testbed.peer import PeerProcess
from tests.notify.site import NotifyRig

QUICK = Patience(attempts=3, first=0.2, longest=0.4, limit=12.0)


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    options = {"directory": str(tmp_path)}
    async with await PeerProcess.launch("receiver", tmp_path / "receiver.log", options, name="receiver") as peer:
        yield peer


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    async with await PeerProcess.launch("mail_server", tmp_path / "mail.log", {}, name="mail") as peer:
        yield peer


@dataclass
class Rigs:
    """Starts services on the store."""

    store: Store

    @asynccontextmanager
    async def __call__(self, patience: Patience = QUICK) -> AsyncIterator[NotifyRig]:
        async with NotifyRig(self.store, patience) as rig:
            yield rig


@pytest.fixture
def rigs(store: Store) -> Rigs:
    return Rigs(store)
