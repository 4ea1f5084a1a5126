"""A real Asterisk that runs what the planner makes of manifests, with real phones and carriers around it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from testbed.asterisk import AsteriskInstance, Installation
from testbed.manifests import Manifest, manifest
from testbed.ports import LOOPBACK
from testbed.sip import Peer


def extension(number: str, permissions: Iterable[str] = ("internal",), **spec: Any) -> Manifest:
    account = {"credentialsSecretRef": {"name": f"phone-{number}"}}
    return manifest("Extension", f"e{number}", number=number, permissions=[*permissions], **account, **spec)


@dataclass
class Pbx:
    """`async with` starts it; `apply` makes it run a site."""

    directory: Path
    installation: Installation | None = None
    asterisk: AsteriskInstance = field(init=False)
    planner: Planner = field(init=False)
    plan: Plan = field(default_factory=Plan)
    carriers: dict[str, Peer] = field(default_factory=dict)
    _phones: dict[str, Peer] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.asterisk = AsteriskInstance(self.directory / "asterisk", installation=self.installation, rtp_ports=240)
        self.planner = Planner(load())
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in (*self._phones.values(), *self.carriers.values()):
            await peer.stop()
        await self.asterisk.close()

    async def carrier(self, name: str) -> Peer:
        """A carrier that knows the account of the trunk `name`."""
        server = (LOOPBACK, self.asterisk.sip_port)
        carrier = await Peer.carrier(self.directory, server=server, user=name, calls=40)
        await carrier.ask("account", username=name, password="secret")
        self.carriers[name] = carrier
        return carrier

    async def phone(self, number: str, **answer: Any) -> Peer:
        """The registered phone of an extension, answering calls as told."""
        if number not in self._phones:
            server = (LOOPBACK, self.asterisk.sip_port)
            secret = f"secret-{number}"
            phone = await Peer.phone(self.directory, user=number, password=secret, server=server, calls=40)
            self._phones[number] = phone
        phone = self._phones[number]
        assert (await phone.ask("register"))["code"] == 200
        await phone.ask("answer", **({"code": 200, "ring_seconds": 0.1} | answer))
        return phone

    def trunk(self, name: str, **spec: Any) -> Manifest:
        """The manifest of a trunk to that carrier."""
        account = {"credentialsSecretRef": {"name": f"trunk-{name}"}, "registration": {"retrySeconds": 10}}
        address = {"host": LOOPBACK, "port": self.carriers[name].address[1]}
        return manifest("SipTrunk", name, **address, **account, **spec)

    def pbx(self, **spec: Any) -> Manifest:
        """The manifest of this Asterisk."""
        transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{self.asterisk.sip_port}"}
        rtp = {"portStart": self.asterisk.rtp_start, "portEnd": self.asterisk.rtp_end}
        recording = {"path": str(self.directory / "recordings")}
        return manifest("Asterisk", "pbx", transports=[transport], rtp=rtp, recording=recording, **spec)

    async def apply(self, manifests: Iterable[Manifest], *, retained: str = "") -> Plan:
        """Plan, write what differs, reload what it concerns; start Asterisk the first time."""
        resources = [parse(each) for each in manifests]
        secrets = {}
        for each in resources:
            number, name = getattr(each.spec, "number", ""), each.key.name
            secrets[f"phone-{number}"] = {"username": number, "password": f"secret-{number}"}
            secrets[f"trunk-{name}"] = {"username": name, "password": "secret"}
        secrets["pin"] = {"pin": "4711"}
        secrets["ari"] = {"username": self.asterisk.settings.ari.name, "password": self.asterisk.settings.ari.secret}
        secrets["openai"] = {"key": "nobody's"}
        secrets["program"] = {"token": "nobody's"}
        wrapped = {name: {k: SecretStr(v) for k, v in values.items()} for name, values in secrets.items()}
        snapshot = Snapshot("test", {each.key: each for each in resources}, wrapped)
        plan = self.planner.plan(snapshot, retained=retained)
        assert all(problem.partial for found in plan.problems.values() for problem in found), plan.problems
        before, self.plan = self.plan.files, plan
        changed = {name for name, text in plan.files.items() if before.get(name) != text}
        for name in changed:
            self.asterisk.write(f"dialplane/{name}", plan.files[name])
        if not self.asterisk.running:
            await self.asterisk.start()
        else:
            await self._reload(changed)
        return plan

    async def channels(self) -> list[str]:
        """`context,extension,priority,application` of each channel."""
        return [",".join((*fields[1:4], fields[5])) for fields in await self.asterisk.channels()]

    async def qualify(self, state: str) -> None:
        """Let Asterisk ask the carriers whether they are there, until this is what it thinks of each."""
        async with asyncio.timeout(10):
            for name in self.carriers:
                await self.asterisk.console(f"pjsip qualify {name}")
            while await self._states() != {state}:
                await asyncio.sleep(0.1)

    async def _states(self) -> set[str]:
        rows = [line.split() for line in (await self.asterisk.console("pjsip show contacts")).splitlines()]
        return {row[3] for row in rows if row[:1] == ["Contact:"] and row[1].split("/")[0] in self.carriers}

    async def quiet(self) -> None:
        """Return when no channel is left.

        Raises:
            TimeoutError: one was; it is gone now, so that no other test fails by it.
        """
        try:
            async with asyncio.timeout(10):
                while await self.channels():
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            error.add_note(await self.asterisk.console("core show channels verbose"))
            error.add_note(await self.asterisk.console("bridge show all"))
            await self.asterisk.console("channel request hangup all")
            raise

    async def show(self, context: str) -> str:
        return await self.asterisk.console(f"dialplan show {context}")

    async def _reload(self, changed: Iterable[str]) -> None:
        modules = {"extensions.conf": "pbx_config.so", "voicemail.conf": "app_voicemail.so"}
        for module in sorted({modules.get(name, "res_pjsip.so") for name in changed}):
            answer = await self.asterisk.console(f"module reload {module}")
            assert "reloaded successfully" in answer, answer


def from_user(call: Mapping[str, Any]) -> str:
    """The caller as the callee sees it."""
    return str(call["other"])
