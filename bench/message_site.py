"""A site of GSM modems as a whole: ``dialplane run`` beside a real Asterisk, the modem peer and a webhook receiver.

What arrives at modems is steered at the peer, what is told is seen at the receiver; the controller can be killed and
started again. How it is built matters to nobody here: it is one process with a folder of manifests.
"""

import asyncio
import contextlib
import itertools
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.gsm import imei
from bench.site import pbx
from bench.standalone import Folder, StatusFile
from dialplane.api.tokens import LOCAL
from dialplane.cli.state import API_TOKENS, API_URL, STORE
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.gateway import Gateway, gateway
from testbed.manifests import condition, manifest, secret
from testbed.modem.peer import ModemPeer
from testbed.peer import PeerProcess
from testbed.ports import lease
from testbed.process import Child

GROUP: Final = "out"
PER_MINUTE: Final = 120
"""Messages that each modem may send: the most that a manifest may say."""
NOTIFIER: Final = "office"
PLACE: Final = f"hook/{NOTIFIER}"
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_ANSWER: Final = aiohttp.ClientTimeout(total=10)
_OK: Final = 200
_TAKEN: Final = frozenset({_OK, 202})


def sender(number: int) -> str:
    """Who writes to the modem of this number."""
    return f"+1555{number:04}"


@dataclass(frozen=True, slots=True)
class Notification:
    """What the receiver took, and when (`time.time`); its title is the sender."""

    title: str
    text: str
    at: float


@dataclass
class MessageSite:
    """One that is there; `start` runs the controller."""

    directory: Path
    asterisk: AsteriskInstance
    around: Gateway
    modems: int
    metrics_port: int
    child: Child | None = None
    _runs: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def peer(self) -> ModemPeer:
        """The modems, between the controller and Asterisk."""
        return self.around.modems

    @property
    def receiver(self) -> PeerProcess:
        """Whoever is told."""
        return self.around.receiver

    @property
    def state(self) -> Path:
        """The controller's state directory."""
        return self.directory / "state"

    @property
    def running(self) -> Child:
        """The controller."""
        if self.child is None:
            raise RuntimeError("no controller was started")
        return self.child

    async def start(self) -> None:
        """Run the controller; returns at once."""
        with contextlib.suppress(FileNotFoundError):
            (self.state / API_URL).unlink()
        self.child = await start_controller(
            ["run", "-f", str(self.directory / "site"), "--state-dir", str(self.state), "--plain"],
            self.asterisk,
            output=self.directory / f"run-{next(self._runs)}.log",
            metrics_port=self.metrics_port,
            env=self.around.environment,
        )

    async def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        await self.running.stop(limit_seconds=0)

    async def until_ready(self) -> None:
        """Wait until every modem is online, the Notifier is served, and the API is there.

        Raises:
            TimeoutError: not in time; a note has what the controller said.
        """
        status = StatusFile(self.state / "status.json", self.running)
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not self._is_ready(status):
                    self.running.check()
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            error.add_note(self.running.tail(30))
            raise

    async def deliver(self, modem: int, text: str, **fields: Any) -> None:
        """A message arrives at a modem."""
        await self.peer.ask("deliver", imsi=self.around.imsis[_name(modem)], sender=sender(modem), text=text, **fields)

    async def outcome(self, modem: int, name: str) -> None:
        """What becomes of messages that this modem sends."""
        await self.peer.ask("outcome", imei=imei(modem), name=name)

    @property
    def told(self) -> list[Notification]:
        """Every notification that the receiver took."""
        taken = (each for each in self.receiver.events if each["event"] == "received" and each["answer"] == _OK)
        return [Notification(each["title"], each["text"], each["at"]) for each in taken]

    def told_by_sender(self) -> Counter[tuple[str, str]]:
        """How often each message, sender and text, was told."""
        return Counter((each.title, each.text) for each in self.told)

    def kept(self) -> Counter[tuple[str, str]]:
        """Sender and text of all in the inbox, by a query that is not the product's."""
        found = self._query("SELECT sender, text, count(*) FROM inbox GROUP BY sender, text")
        return Counter({(who, text): number for who, text, number in found})

    def phases(self) -> dict[str, str]:
        """The phase of each message to send by its text, likewise; texts must differ."""
        return dict(self._query("SELECT text, phase FROM outgoing"))

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        path = f"file:{self.state / STORE}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=10)) as store:
            return store.execute(query).fetchall()

    @asynccontextmanager
    async def api(self) -> AsyncIterator["Api"]:
        """The API, wherever the controller of the moment serves it."""
        async with aiohttp.ClientSession(timeout=_ANSWER) as session:
            yield Api(session, self.state)

    def _is_ready(self, status: StatusFile) -> bool:
        if not (self.state / API_URL).exists() or not status.path.exists():
            return False
        online = [condition(entry, "Online").get("status") for entry in status.of("Dongle").values()]
        served = [condition(entry, "Ready").get("status") for entry in status.of("Notifier").values()]
        return (online, served) == (["True"] * self.modems, ["True"])


@dataclass(frozen=True)
class Api:
    """Who sends messages over it."""

    session: aiohttp.ClientSession
    state: Path

    async def send(self, text: str, *, key: str, within: float) -> None:
        """Have a message sent by the group; asked again under the same key until it is taken.

        Raises:
            TimeoutError: nobody took it.
        """
        async with asyncio.timeout(within):
            while True:
                with contextlib.suppress(OSError, aiohttp.ClientError, asyncio.TimeoutError):
                    address = (self.state / API_URL).read_text().strip()
                    token = (self.state / API_TOKENS / LOCAL).read_text().strip()
                    async with self.session.post(
                        f"{address}/api/v1/sms",
                        json={"dongleGroup": GROUP, "to": "+15550100", "text": text},
                        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
                    ) as answer:
                        if answer.status in _TAKEN:
                            return
                await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def message_site(directory: Path, modems: int) -> AsyncIterator[MessageSite]:
    """All of it in an empty directory, with the manifests of so many modems; no controller runs yet."""
    async with AsteriskInstance(directory / "asterisk") as asterisk:
        folder = _written(directory / "site", asterisk, modems)
        async with gateway(folder.path, asterisk, directory) as around:
            if around is None:
                raise RuntimeError("a site without modems")
            folder.write("secrets", *(secret(name, **values) for name, values in around.secrets.items()))
            with lease(1) as ports:
                site = MessageSite(directory, asterisk, around, modems, ports.take())
                try:
                    yield site
                except BaseException as error:
                    if site.child is not None:
                        error.add_note(f"the controller said:\n{site.child.tail(30)}")
                    raise
                finally:
                    if site.child is not None:
                        await site.child.stop()


def _written(path: Path, asterisk: AsteriskInstance, modems: int) -> Folder:
    """The manifests, without the Secrets."""
    path.mkdir()
    folder = Folder(path)
    folder.write("pbx", pbx(asterisk))
    modem = {"group": GROUP, "sms": {"forwardTo": [NOTIFIER], "perMinute": PER_MINUTE}}
    folder.write("modems", *(manifest("Dongle", _name(n), imei=imei(n), **modem) for n in range(modems)))
    words = {"title": "{{ sender }}", "template": "{{ text }}"}
    url = {"name": "notifiers", "key": NOTIFIER}
    folder.write("notifier", manifest("Notifier", NOTIFIER, urlSecretRef=url, **words))
    return folder


def _name(modem: int) -> str:
    return f"gsm-{modem}"
