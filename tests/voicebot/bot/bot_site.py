"""A site with bots on a real Asterisk: the dialplan that the planner renders, phones, and replicas as processes."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialplane.resources.manifest import parse
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.desired import AriAddress, DesiredBots, desired_bot, to_json
from testbed.manifests import Manifest, manifest
from testbed.peer import PeerProcess
from testbed.voices import environment
from tests.eventually import eventually
from tests.system.pbx import Pbx, extension
from tests.voicebot.bot.program import Program

CALLER, FALLBACK, SALES = "101", "102", "103"
BOT_NUMBER = "890"
TONES = "tones"
PHONE_HZ = 440


def bot(name: str, **spec: Any) -> Manifest:
    """A bot whose callers go to one phone as its fallback, and to another one by its transfer `sales`."""
    speaks = {"provider": "openai", "secretRef": {"name": "openai", "key": "key"}, "instructions": "Help."}
    sales = {"name": "sales", "description": "sales", "to": {"extension": SALES}}
    talk = {} if {"engine", "dialog"} & spec.keys() else {"realtime": speaks | {"transfers": [sales]}}
    fallback = {"to": {"extension": FALLBACK}}
    return manifest("VoiceBot", name, **({"maxConcurrentCalls": 60, "fallback": fallback} | talk | spec))


@dataclass
class BotSite:
    """The site; `replicas` are to be stopped by who starts them."""

    pbx: Pbx
    folder: Path
    program: Program
    bots: dict[str, Manifest] = field(default_factory=dict)
    replicas: list[PeerProcess] = field(default_factory=list)

    async def apply(self, bots: Iterable[Manifest]) -> None:
        """Run these bots."""
        self.bots = {each["metadata"]["name"]: each for each in bots}
        ari = {"url": self.pbx.asterisk.ari_url, "credentialsSecretRef": {"name": "ari"}}
        phones = [extension(number) for number in (CALLER, FALLBACK, SALES)]
        await self.pbx.apply([self.pbx.pbx(ari=ari), *phones, *self.bots.values()])

    def view(self, *names: str) -> Any:
        """What the leader publishes of these bots."""
        return self.view_of({name: each for name, each in self.bots.items() if name in names})

    def view_of(self, manifests: Mapping[str, Manifest]) -> Any:
        """What the leader publishes of bots with these manifests."""
        specs = {name: parse(each).spec for name, each in manifests.items()}
        bots = {name: desired_bot(spec, "UTC") for name, spec in specs.items() if isinstance(spec, VoiceBotSpec)}
        return to_json(DesiredBots(AriAddress(self.pbx.asterisk.ari_url, "ari"), bots))

    async def replica(self, name: str, *names: str, ready: bool = True, store: str = "", **secrets: str) -> PeerProcess:
        """A replica that has proven these bots, by default the one that speaks in tones.

        With a `store` they speak as their manifests say.
        """
        names = names or (TONES,)
        account = self.pbx.asterisk.settings.ari
        values = {"SECRET_ari_username": account.name, "SECRET_ari_password": account.secret, **secrets}
        replica = await PeerProcess.launch(
            "bot_replica",
            self.folder / f"{name}.log",
            {"id": name} | ({"store": store} if store else {}),
            name=name,
            environment=values | (environment() if store else {}),
        )
        self.replicas.append(replica)
        view = self.view(*names)
        await replica.ask("observe", view=view)
        for each in view["bots"] if ready else ():
            await eventually(lambda each=each: state(replica, f"bot/{each}").get("ready"), why=lambda: self.said(name))
        return replica

    async def open(self, *replicas: PeerProcess) -> None:
        """Do what the leader does: name the open applications in Asterisk's database."""
        names = "&".join(state(each, "application")["name"] for each in replicas)
        await self.pbx.asterisk.console(f"database put dpbot apps {names}")

    async def close(self) -> None:
        """Stop the replicas, and have no application open."""
        for each in self.replicas:
            await each.stop()
        self.replicas.clear()
        await self.pbx.asterisk.console("database del dpbot apps")
        await self.pbx.quiet()

    def said(self, name: str) -> str:
        """The last lines of a replica's log."""
        return "\n".join((self.folder / f"{name}.log").read_text().splitlines()[-15:])

    async def bridges(self) -> list[str]:
        """The lines of the bridges that are there."""
        lines = (await self.pbx.asterisk.console("bridge show all")).splitlines()
        return [line for line in lines if line.strip() and not line.startswith("Bridge-ID")]


def state(replica: PeerProcess, subject: str) -> dict[str, Any]:
    """What a replica reported last of a subject."""
    return next(
        (
            each["state"]
            for each in reversed(replica.events)
            if each["event"] == "report" and each["subject"] == subject
        ),
        {},
    )


def seen(replica: PeerProcess, event: str, **fields: Any) -> Callable[[], list[dict[str, Any]]]:
    """Return what finds the events of a replica with these fields."""
    wanted = {"event": event, **fields}
    return lambda: [each for each in replica.events if wanted.items() <= each.items()]


def kill(replica: PeerProcess) -> None:
    """Kill a replica, as a machine that fails would."""
    os.kill(replica.pid, signal.SIGKILL)
