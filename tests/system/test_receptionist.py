"""The example of a bot through both doors: a caller speaks, interrupts, is understood and put through.

The caller is a SIP phone that says what a voice made; the bot has no provider but the programs of this machine.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soxr
from ruamel.yaml import YAML

from dialplane.services.voicebot.tables import calls, turns
from dialplane.services.voicebot.tables.calls import BotCall, CallFilter
from dialplane.services.voicebot.tables.turns import Turn
from dialplane.store import Store
from testbed import voices
from testbed.audio import RATE
from testbed.manifests import Manifest
from testbed.ports import LOOPBACK, lease
from testbed.process import Child
from testbed.sip import Peer
from tests.eventually import eventually
from tests.system.doors import ROOT, Kube
from tests.system.pbx import extension
from tests.system.world import World, password_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOT, CALLER, SALES, SUPPORT = "100", "103", "101", "102"
HZ = {SALES: 440, SUPPORT: 550}
CALLERS_HZ = 660
"""Of the caller, once somebody has answered."""


def example(world: World) -> tuple[list[Manifest], dict[str, dict[str, str]]]:
    """The example as it is, but for where Asterisk listens, and for a phone that calls."""
    folder = ROOT / "examples/voice-bot"
    manifests = [m for path in sorted(folder.glob("*.yaml")) for m in YAML(typ="safe").load_all(path.read_text())]
    own = world.pbx()["spec"]
    for each in manifests:
        if each["kind"] == "Asterisk":
            each["spec"] |= {**own, "ari": {**each["spec"]["ari"], "url": world.asterisk.ari_url}}
    secrets = {m["metadata"]["name"]: dict(m["stringData"]) for m in manifests if m["kind"] == "Secret"}
    ari = world.asterisk.settings.ari
    secrets["ari"] = {"username": ari.name, "password": ari.secret}
    caller = extension(CALLER)
    secrets[caller["spec"]["credentialsSecretRef"]["name"]] = {"username": CALLER, "password": password_of(CALLER)}
    return [*(m for m in manifests if m["kind"] != "Secret"), caller], secrets


class Bots:
    """What is around the bot: its store, its phones, and in Kubernetes its own process."""

    def __init__(self, world: World, store_url: str) -> None:
        self.world = world
        self.store_url = store_url
        self.phones: dict[str, Peer] = {}
        self.said = 0

    async def phone(self, number: str, password: str) -> Peer:
        phone = await Peer.phone(
            self.world.directory / f"phone-{number}",
            user=number,
            password=password,
            server=self.world.server,
            hz=HZ.get(number, 0),
        )
        self.phones[number] = phone
        assert (await phone.ask("register"))["code"] == 200
        await phone.ask("answer", code=200, ring_seconds=0.1)
        return phone

    async def say(self, text: str, voice: str = "rms") -> None:
        """Have the caller say this, as it is on a telephone line."""
        line = voices.over_the_telephone(await asyncio.to_thread(voices.spoken, text, voice))
        await self.play(soxr.resample(np.frombuffer(line, dtype="<i2").astype(np.float32), 2 * RATE, RATE))

    async def play(self, samples: Any) -> None:
        self.said += 1
        path = self.world.directory / f"said-{self.said}.pcm"
        path.write_bytes(np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes())
        await self.phones[CALLER].ask("say", path=str(path), limit_seconds=60)

    async def heard(self, number: str) -> Any:
        return (await self.phones[number].ask("calls"))["calls"][-1]["heard_hz"]

    async def speaks(self) -> bool:
        """Whether the caller hears something now."""
        sound = await self.phones[CALLER].ask("sound")
        return time.monotonic() - float(sound["last_loud"]) < 0.2

    async def last_call(self) -> tuple[BotCall, list[Turn]]:
        """The last call and its transcript, once it is closed."""

        def read() -> tuple[BotCall, list[Turn]] | None:
            with closing(Store.open(self.store_url)) as store:
                page = calls.page(store, self.site, CallFilter(), limit=1)
                if not page.calls or page.calls[0].outcome is None:
                    return None
                return page.calls[0], list(turns.of_call(store, self.site, page.calls[0].id))

        return await eventually(lambda: asyncio.to_thread(read))

    @property
    def site(self) -> str:
        return self.world.door.namespace.name if isinstance(self.world.door, Kube) else "default"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bots(fresh: World) -> AsyncIterator[Bots]:
    manifests, secrets = example(fresh)
    async with AsyncExitStack() as stack:
        store_url = f"sqlite:///{fresh.directory}/bots.db"
        url_file = fresh.directory / "store-url"
        url_file.write_text(store_url)
        await fresh.door.stop()
        fresh.door.options = ("--store-url-file", str(url_file))
        fresh.door.environment |= voices.environment()
        await fresh.door.start()
        await fresh.door.apply(manifests, secrets)
        if isinstance(fresh.door, Kube):
            await _start_replica(stack, fresh, url_file, secrets)
        await fresh.door.wait_ready(limit_seconds=60)
        made = Bots(fresh, store_url)
        await made.phone(CALLER, password_of(CALLER))
        for number in (SALES, SUPPORT):
            await made.phone(number, f"example-password-of-{number}")
        yield made
        for phone in made.phones.values():
            await phone.stop()


async def _start_replica(
    stack: AsyncExitStack, world: World, url_file: Path, secrets: dict[str, dict[str, str]]
) -> None:
    """In Kubernetes bots have pods of their own, whose Secrets are folders."""
    folder = world.directory / "secrets"
    for name, values in secrets.items():
        (folder / name).mkdir(parents=True)
        for key, value in values.items():
            (folder / name / key).write_text(value)
    assert isinstance(world.door, Kube)
    port = stack.enter_context(lease()).take()
    words = ["bot", "--namespace", world.door.namespace.name, "--store-url-file", str(url_file)]
    words += ["--secrets-dir", str(folder), "--cache-dir", str(world.directory / "prompts")]
    words += ["--metrics-address", f"{LOOPBACK}:{port}"]
    output = world.directory / "bot.log"
    child = await Child.start(
        "bot",
        [sys.executable, "-m", "dialplane.cli", *words],
        output=output,
        env={**os.environ, **voices.environment()},
    )
    stack.push_async_callback(child.stop)


@pytest_asyncio.fixture(loop_scope="module")
async def call(bots: Bots) -> AsyncIterator[Bots]:
    """A call to the bot, which has begun to speak."""
    made = await bots.phones[CALLER].ask("call", number=BOT)
    assert made["code"] == 200
    await eventually(bots.speaks)
    yield bots
    await bots.phones[CALLER].ask("hangup")
    await bots.world.quiet()


async def test_a_caller_interrupts_is_understood_and_put_through(call: Bots) -> None:
    before = len(call.phones[SUPPORT].events)
    await asyncio.sleep(1)  # into the greeting, whose sentences take five seconds
    await call.say("technical support")
    await call.phones[SUPPORT].event("call", after=before, state="answered", outgoing=False, limit_seconds=30)
    hum = 8000 * np.sin(2 * np.pi * CALLERS_HZ * np.arange(4 * RATE) / RATE)
    talking = asyncio.create_task(call.play(hum))
    await eventually(lambda: call.heard(SUPPORT), holds=lambda hz: hz == pytest.approx(CALLERS_HZ, abs=15))
    await eventually(lambda: call.heard(CALLER), holds=lambda hz: hz == pytest.approx(HZ[SUPPORT], abs=15))
    await talking
    made, said = await call.last_call()
    assert (made.caller, made.outcome, made.target) == (CALLER, "transferred", "support")
    spoken = [(turn.speaker, turn.text) for turn in said]
    greeting = next(turn for turn in said if turn.speaker == "bot")
    assert "Good day".startswith(greeting.text[:8])
    assert any(turn.details.get("interrupted") for turn in said if turn.speaker == "bot"), spoken
    assert any("technical support" in text for speaker, text in spoken if speaker == "caller"), spoken
    assert any(text.startswith("One moment please") for speaker, text in spoken if speaker == "bot")


async def test_who_is_not_understood_is_asked_again_and_may_press_keys(call: Bots) -> None:
    before = len(call.phones[SALES].events)
    await call.say("the weather was rather nice in paris yesterday")
    await eventually(call.speaks)
    await call.phones[CALLER].ask("press", key="1")
    await call.phones[SALES].event("call", after=before, state="answered", outgoing=False, limit_seconds=30)
    made, said = await call.last_call()
    assert (made.outcome, made.target) == ("transferred", "sales")
    assert any(turn.details.get("keys") == "1" for turn in said)
