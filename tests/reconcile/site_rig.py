"""A real Asterisk, the real site loop, and a front door in memory around it."""

import asyncio
import copy
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from dialplane.plan.pjsip.asterisk import WITNESS
from dialplane.reconcile.ports import Supervisor
from dialplane.reconcile.site import AmiDefaults, Ports, SiteLoop, Timing
from dialplane.reconcile.template_dir import load
from dialplane.resources.conditions import Condition, ConditionType, Report, status_of
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import Notice, Service
from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance, Bootstrap
from testbed.bootstrap import Settings, render
from testbed.local_peer import LocalPeer
from testbed.manifests import Manifest, manifest
from testbed.ports import LOOPBACK
from tests.reconcile.shared_asterisk import SharedAsterisk, made

FAST = Timing(quiet=0.03, drift_check=0.3, lost_grace=0.5, retry=0.2, status_refresh=0.5)
SHARED: list[SharedAsterisk] = []
"""The one of this worker, while there is one."""


def extension(name: str, **spec: Any) -> Manifest:
    """An extension of that number, unless `spec` gives another."""
    account = {"credentialsSecretRef": {"name": f"phone-{name}"}}
    return manifest("Extension", f"e{name}", **({"number": name} | account | spec))


def key_of(given: Manifest) -> Key:
    return Key(given["kind"], given["metadata"]["name"])


class Source:
    """The site as a test says it is; counts generations as an API server does."""

    def __init__(self) -> None:
        self.manifests: dict[Key, Manifest] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.snapshots = 0
        self._dirty = asyncio.Event()

    def put(self, *given: Manifest) -> None:
        for one in given:
            old = self.manifests.get(key_of(one))
            new = copy.deepcopy(one)
            changed = old is not None and old["spec"] != new["spec"]
            generation = old["metadata"]["generation"] + changed if old else 1
            new["metadata"] |= {"generation": generation, "uid": f"uid-{one['metadata']['name']}"}
            self.manifests[key_of(one)] = new
        self._dirty.set()

    def drop(self, *keys: Key) -> None:
        for key in keys:
            del self.manifests[key]
        self._dirty.set()

    def secret(self, name: str, **values: str) -> None:
        self.secrets[name] = values
        self._dirty.set()

    def drop_secret(self, name: str) -> None:
        del self.secrets[name]
        self._dirty.set()

    def restart(self) -> None:
        self._dirty.set()

    @property
    def unseen(self) -> bool:
        """Whether there is news that the loop has not taken yet."""
        return self._dirty.is_set()

    async def changed(self) -> None:
        await self._dirty.wait()
        self._dirty.clear()

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        resources = [parse(one) for one in self.manifests.values()]
        wrapped = {name: {k: SecretStr(v) for k, v in values.items()} for name, values in self.secrets.items()}
        return Snapshot("test", {r.key: r for r in resources}, wrapped)


class Sink:
    """Keeps every report that was ever published, and the statuses that they amount to."""

    def __init__(self) -> None:
        self.history: list[dict[Key, Report]] = []
        self.statuses: dict[Key, dict[str, Any]] = {}
        self.writes: list[Key] = []
        self.news = asyncio.Event()
        self.fail: Exception | None = None

    async def publish(self, reports: Mapping[Key, Report]) -> None:
        if self.fail is not None:
            raise self.fail
        self.history.append(dict(reports))
        for key, report in reports.items():
            status = status_of(report, self.statuses.get(key, {}), datetime.now(UTC))
            if status != self.statuses.get(key):
                self.statuses[key] = status
                self.writes.append(key)
        for key in self.statuses.keys() - reports.keys():
            del self.statuses[key]
        self.news.set()

    def every(self, key: Key, kind: ConditionType = ConditionType.READY) -> list[tuple[int, str, str]]:
        """Generation, status and reason of each report of one resource, repetitions folded."""
        told: list[tuple[int, str, str]] = []
        for reports in self.history:
            report = reports.get(key)
            found = report.condition(kind) if report else None
            if report and found:
                said = (report.generation, str(found.status), str(found.reason))
                if not told or told[-1] != said:
                    told.append(said)
        return told


class Credentials:
    """Takes what the loop generates."""

    def __init__(self, source: Source) -> None:
        self.source = source

    async def create(self, name: str, values: Mapping[str, str], owner: Key) -> None:  # noqa: ARG002 -- the port's
        self.source.secrets.setdefault(name, dict(values))
        self.source.restart()


class Notices:
    """Keeps every notice."""

    def __init__(self) -> None:
        self.told: list[tuple[Key, Notice]] = []

    def tell(self, key: Key, notice: Notice) -> None:
        self.told.append((key, notice))


@dataclass
class Leader:
    """May write until told otherwise."""

    may: bool = True
    after: int = -1
    """How often it still answers yes; negative: always."""

    def held(self) -> bool:
        if self.after == 0:
            return False
        self.after -= self.after > 0
        return self.may


@dataclass
class Rig:
    """`async with` brings an Asterisk with nothing in it; `run` starts a loop on it, again and again if asked."""

    directory: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    timing: Timing = FAST
    noload: tuple[str, ...] = ()
    """Modules that this Asterisk lacks."""
    ami_port: int = 0
    """Another port than Asterisk's own, for a proxy between."""
    bootstrap: Bootstrap | None = None
    """Other base files than Dialplane's."""
    own: bool = False
    """Whether the Asterisk is to be this rig's own, started by it; else one that earlier tests had serves as well."""
    services: Callable[[], tuple[Service, ...]] = tuple
    """What each loop gets beside Asterisk."""

    def __post_init__(self) -> None:
        self.source, self.leader = Source(), Leader()
        self.sink, self.notices = Sink(), Notices()
        self.supervisor: Supervisor | None = None
        self.own = self.own or self.bootstrap is not None or bool(self.noload)
        self.asterisk: AsteriskInstance
        if self.own:
            self.asterisk = made(self.directory / "asterisk", self._bootstrap)
        self.loop: SiteLoop
        self._lender: SharedAsterisk | None = None
        self._task: asyncio.Task[None] | None = None
        self._peers: list[LocalPeer] = []
        self._ears: AmiClient | None = None

    async def __aenter__(self) -> Self:
        if not self.own and SHARED and SHARED[0].usable:
            self._lender = SHARED[0]
            self.asterisk = await self._lender.borrow()
        else:
            if not self.own:
                self.asterisk = made(self.directory / "asterisk")
            await self.asterisk.start()
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
        for peer in self._peers:
            await peer.stop()
        if self._ears is not None:
            await self._ears.close()
        if self._lender is not None:
            await self._lender.give_back(self.asterisk)
        else:
            await self.asterisk.close()

    @property
    def config(self) -> Path:
        """The folder of what is rendered."""
        return self.asterisk.etc / "dialplane"

    async def restart(self) -> None:
        """Kill Asterisk and start it again, without the waits of an orderly end; `listen` to it anew."""
        await self.asterisk.restart(limit_seconds=0)
        await self.listen()

    async def listen(self) -> None:
        """A connection of the test's own, that hears of every reload."""
        if self._ears is not None:
            await self._ears.close()
        self._ears = await self.asterisk.ami()

    @property
    def reloads(self) -> list[str]:
        """The modules that Asterisk itself says it has reloaded since `listen`."""
        assert self._ears is not None
        return [event["Module"] for event in self._ears.events if event.get("Event") == "Reload"]

    def pbx(self, **spec: Any) -> Manifest:
        """The site's Asterisk; with other transports than usual it is of no use to other tests afterwards."""
        if "transports" in spec:
            self._lender = None
        transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{self.asterisk.sip_port}"}
        rtp = {"portStart": self.asterisk.rtp_start, "portEnd": self.asterisk.rtp_end}
        given = {"transports": [transport], "rtp": rtp, "configDirectory": str(self.config)}
        return manifest("Asterisk", "pbx", **(given | spec))

    def put(self, *given: Manifest) -> None:
        """Apply manifests; extensions get an account each."""
        for one in given:
            number = one["spec"].get("number")
            if number and f"phone-{number}" not in self.source.secrets:
                self.source.secret(f"phone-{number}", username=number, password=f"secret-{number}")
        self.source.put(*given)

    def run(self, overrides: Mapping[str, str] | None = None) -> SiteLoop:
        """Start a new loop, as a restarted controller does: it knows nothing but what is on disk."""
        account, calls = self.asterisk.settings.controller, self.asterisk.settings.calls
        port = self.ami_port or self.asterisk.settings.ami_port
        self.loop = SiteLoop(
            Ports(
                self.source,
                self.sink,
                Credentials(self.source),
                self.leader,
                self.supervisor,
                self.notices,
                self.services(),
            ),
            load(self._templates(self.overrides if overrides is None else overrides)),
            defaults=AmiDefaults(
                LOOPBACK, port, account.name, SecretStr(account.secret), calls.name, SecretStr(calls.secret)
            ),
            timing=self.timing,
        )
        self.source.restart()
        self._task = asyncio.create_task(self.loop.run())
        return self.loop

    async def end(self) -> None:
        """Stop the loop; whatever ended it by itself is raised here."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def rerun(self, overrides: Mapping[str, str] | None = None) -> None:
        await self.end()
        self.sink.history.clear()
        self.sink.writes.clear()
        self.run(overrides)

    def ready(self, name: str, kind: str = "Extension") -> Condition | None:
        """The newest word on Ready, of this very generation of the manifest."""
        key = Key(kind, name)
        report = self.sink.history[-1].get(key) if self.sink.history else None
        wanted = self.source.manifests.get(key)
        if report is None or wanted is None or report.generation != wanted["metadata"]["generation"]:
            return None
        return report.condition(ConditionType.READY)

    def says(self, name: str, reason: str, kind: str = "Extension") -> bool:
        found = self.ready(name, kind)
        return found is not None and found.reason == reason

    async def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for what makes it true, most often a report; every report is looked at."""
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    assert self._task is None or not self._task.done(), "the loop has ended"
                    self.sink.news.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.02):
                            await self.sink.news.wait()
        except TimeoutError:
            reports = self.sink.history[-1] if self.sink.history else {}
            last = {str(key): report.condition(ConditionType.READY) for key, report in reports.items()}
            raise AssertionError(f"still not true after {seconds} s; last reports {last}") from None

    async def settled(self, seconds: float = 40) -> None:
        """Every resource has a verdict on its newest generation, and nothing is under way or due."""

        def judged() -> bool:
            verdicts = [self.ready(key.name, key.kind) for key in self.source.manifests]
            return all(v is not None and v.status != "Unknown" for v in verdicts) and self.loop.converged.is_set()

        await self.until(lambda: self._at_rest() and judged(), seconds)

    def _at_rest(self) -> bool:
        """No news that was not looked at, no pass, no report, no second try, and no Asterisk that is away."""
        loop, again = self.loop, self.loop._again
        due = again is not None and not again.cancelled() and again.when() > asyncio.get_running_loop().time() - 0.1
        noise = loop._pass_due._noise.is_set() or loop._report_due._noise.is_set()
        return loop.connected and not (self.source.unseen or noise or loop._turn.locked() or due)

    async def phone(self, number: str, password: str = "", calls: int = 2) -> LocalPeer:
        server = (LOOPBACK, self.asterisk.sip_port)
        secret = password or f"secret-{number}"
        phone = await LocalPeer.phone(user=number, password=secret, server=server, calls=calls)
        self._peers.append(phone)
        return phone

    async def carrier(self, name: str) -> LocalPeer:
        """A carrier at an address of its own, for the trunk of that name."""
        carrier = await LocalPeer.carrier(server=(LOOPBACK, self.asterisk.sip_port), user=name, host="127.0.0.2")
        self._peers.append(carrier)
        return carrier

    async def registers(self, number: str, password: str) -> bool:
        """Whether a phone with that password is let in; it leaves again."""
        phone = await self.phone(number, password)
        let_in = (await phone.ask("register"))["code"] == 200
        if let_in:
            await phone.ask("register", expires=0)
        await phone.stop()
        self._peers.remove(phone)
        return let_in

    async def bound(self) -> set[str]:
        """The aors that phones are bound to, by Asterisk's own database."""
        lines = (await self.asterisk.console("database show registrar")).splitlines()
        return {line.split("/")[3].partition(";")[0] for line in lines if line.startswith("/registrar/contact/")}

    async def endpoints(self) -> set[str]:
        """Their names, without the transports' witnesses."""
        lines = (await self.asterisk.console("pjsip list endpoints")).splitlines()
        names = {line.split()[1].partition("/")[0] for line in lines if line.strip().startswith("Endpoint:")}
        return {name for name in names if "<" not in name and not name.startswith(WITNESS)}

    async def display_name(self, number: str) -> str:
        """What Asterisk runs of that extension, by the test's own connection."""
        assert self._ears is not None
        shown = await self._ears.listed("PJSIPShowEndpoint", "EndpointDetailComplete", Endpoint=number)
        return next(one["Callerid"].partition('" <')[0].removeprefix('"') for one in shown if "Callerid" in one)

    def _bootstrap(self, settings: Settings) -> Mapping[str, str]:
        own = self.bootstrap or render
        files = dict(own(settings) if callable(own) else own)
        files["modules.conf"] += "".join(f"noload = {module}\n" for module in self.noload)
        return files

    def _templates(self, overrides: Mapping[str, str]) -> Path | None:
        if not overrides:
            return None
        folder = self.directory / "templates"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in overrides.items():
            (folder / name).write_text(text)
        return folder


def extensions(numbers: Iterable[int]) -> list[Manifest]:
    return [extension(str(number)) for number in numbers]
