"""The peers of the speech providers, those that a module names in PEERS, as new for each test."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testbed.speech.peer import Kind, SpeechPeer
from tests.voicebot.speech.providers import started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_peers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[Kind, SpeechPeer]]:
    async with started(tmp_path_factory.mktemp("speech"), request.module.PEERS) as peers:
        yield peers


@pytest_asyncio.fixture(loop_scope="module")
async def peers(running_peers: dict[Kind, SpeechPeer]) -> dict[Kind, SpeechPeer]:
    await asyncio.gather(*(peer.forget() for peer in running_peers.values()))
    return running_peers
