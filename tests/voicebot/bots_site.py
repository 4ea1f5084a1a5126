"""A site whose bots took calls, as the API serves it: the real service on a real store, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI

from dialplane.api import server
from dialplane.api.application import application
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens
from dialplane.services.contract import Context
from dialplane.services.registry import mounts, scopes
from dialplane.services.voicebot.leader.housekeeping import CallKeeper
from dialplane.services.voicebot.tables.call_changes import NewTurn
from dialplane.services.voicebot.tables.calls import CallOutcome
from dialplane.storage.object_storage import ObjectStorage
from dialplane.storage.options import StorageOptions
from dialplane.store import Store
from testbed.manifests import manifest
from tests.api.infinity_site import PLAIN, word
from tests.databases import NOW
from tests.infinity.site import view
from tests.voicebot.calls_made import SITE, call, end, turn, write

BOTS: Final = "/api/v1/bots"
SCOPES: Final = {
    "everything": "",
    "reader": "bots:read:reception",
    "manager": "bots:manage:*",
    "janitor": "bots:manage:reception",
    "texts": "sms",
}
AUDIO: Final = b"RIFF" + bytes(600_000)
"""More than is read at a time."""


@dataclass(frozen=True)
class KeepsCalls:
    """As much of the service as the API asks for."""

    keeper: CallKeeper

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        del changed
        await self.keeper.run()


@dataclass
class BotsWorld:
    """The site, and what tests do with it."""

    store: Store
    folder: Path
    app: FastAPI
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def objects(self) -> set[str]:
        """The recordings that are stored."""
        return {each.stem for each in (self.folder / "objects").rglob("*.wav")}

    async def ask(self, token: str, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {word(token)}"}
        return await self.client.request(method, f"{BOTS}{path}", headers=headers, **request)

    async def ids(self, token: str = "everything", **params: Any) -> list[str]:
        answer = await self.ask(token, "GET", "/calls", params=params)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]


def call_keeper(store: Store, folder: Path) -> CallKeeper:
    """The keeper of the site's calls; recordings are in `folder`."""
    keeper = CallKeeper(Context(store, SITE, lambda *_: None, storage=_storage(folder)))
    keeper.observe(view([manifest("Asterisk", "pbx", numbering={"countryCode": "49"})]))
    return keeper


async def add_calls(store: Store, folder: Path) -> None:
    """Two calls of the reception, one of the night desk, and one that goes on."""
    await ObjectStorage.open(_storage(folder).url).put("reception/c-1.wav", AUDIO, "audio/wav")
    said = turn("caller", "The sales desk, please.", at=NOW + timedelta(seconds=4), value="sales")
    latencies = {"end_of_speech": 0.4, "recognition": 0.1, "decision": 0.01, "first_audio": 0.02}
    write(
        store,
        call("c-1", minutes=1, caller="0305550111"),
        call("c-2", minutes=2),
        call("c-3", minutes=3, bot="night", caller=""),
        call("c-4", minutes=4, caller="+49305550111"),
        turns=(
            NewTurn("c-1", 1, turn("bot", "How can I help?", at=NOW, interrupted=True, **latencies)),
            NewTurn("c-1", 2, said),
        ),
        ended=(
            end("c-1", CallOutcome.TRANSFERRED, seconds=75, target="sales", recording="reception/c-1.wav"),
            end("c-2", CallOutcome.HUNG_UP, seconds=121, variables={"name": "Ada"}),
            end("c-3", CallOutcome.FALLBACK, seconds=200, reason="the speech service does not answer"),
        ),
    )


@asynccontextmanager
async def bots_site(store: Store, folder: Path) -> AsyncIterator[BotsWorld]:
    """A site that serves, with the calls of `add_calls`."""
    tokens = folder / "tokens"
    tokens.mkdir()
    for name, lines in SCOPES.items():
        (tokens / name).write_text(f"{word(name)}\n{lines}\n")
    await add_calls(store, folder)
    service = KeepsCalls(call_keeper(store, folder))
    app = application(Api(store, SITE, Tokens(tokens, scopes()), mounts(), {"voicebot": service}))
    sock = server.listen("127.0.0.1:0")
    task = asyncio.create_task(server.serve(app, sock))
    try:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=30, verify=PLAIN) as client:
            yield BotsWorld(store, folder, app, client)
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)


def _storage(folder: Path) -> StorageOptions:
    return StorageOptions((folder / "objects").as_uri(), folder / "spool")
