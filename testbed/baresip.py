"""A real softphone, baresip, for what a script cannot do: SIP over TLS or TCP, SRTP by SDES or DTLS.

It sends a tone (for a minute at most) and records what it hears. Steered through its module ``ctrl_tcp``: JSON in
netstrings (https://cr.yp.to/proto/netstrings.txt), commands as in its menu, events by name (``REGISTER_OK``,
``CALL_ESTABLISHED``, ``CALL_CLOSED``). Its certificate check is off: the tests' certificates are their own. Over TLS
its endpoint needs ``rewrite_contact``, or Asterisk calls it by a second connection that it does not accept.
"""

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from testbed import audio, debian
from testbed.ports import LOOPBACK, lease
from testbed.process import Child

_PACKAGES = ("baresip-core",)
_MEDIA_PORTS = 20
_TONE_SECONDS = 60
_MODULES = ("g711", "aufile", "srtp", "dtls_srtp")
_APPLICATION_MODULES = ("account", "menu", "ctrl_tcp")

Transport = Literal["udp", "tcp", "tls"]
MediaEncryption = Literal["none", "sdes", "dtls"]
_MEDIA_ENCRYPTION = {"none": "", "sdes": ";mediaenc=srtp-mand", "dtls": ";mediaenc=dtls_srtp"}


@dataclass(frozen=True)
class Program:
    """How baresip starts, and where its modules are."""

    argv: tuple[str, ...]
    modules: Path


@once
def locate_baresip() -> Program:
    """Baresip from PATH, else Debian's, unpacked into the cache.

    Raises:
        BuildError: it could not be fetched.
    """
    if found := shutil.which("baresip"):
        prefix = Path(found).resolve().parent.parent
        for modules in (*prefix.glob("lib/*/baresip/modules"), prefix / "lib/baresip/modules"):
            if (modules / "ctrl_tcp.so").is_file():
                return Program((found,), modules)
    root = debian.tree("baresip", "forky", _PACKAGES)
    return Program(tuple(debian.command(root, "usr/bin/baresip")), next(root.glob("usr/lib/**/baresip/modules")))


class BaresipError(RuntimeError):
    """Baresip refused a command; the message has its own words."""


class Baresip:
    """One running baresip with one account.

    Args:
        directory: its configuration, log and recording; one per instance.
        server: host and port that it registers at.
        auto_answer: answer calls at once.
        hz: pitch of the tone that it sends.
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: str,
        password: str,
        server: tuple[str, int],
        transport: Transport = "udp",
        media_encryption: MediaEncryption = "none",
        auto_answer: bool = True,
        hz: int = 500,
    ) -> None:
        self.directory, self.user, self.server, self.transport, self.hz = directory, user, server, transport, hz
        self.events: list[dict[str, Any]] = []
        self._account = (
            f"<sip:{user}@{server[0]}:{server[1]};transport={transport}>;auth_user={user};auth_pass={password}"
            f";answermode={'auto' if auto_answer else 'manual'};regint={{expires}};audio_codecs=pcmu"
            f"{_MEDIA_ENCRYPTION[media_encryption]}"
        )
        self._lease = lease(_MEDIA_PORTS + 10)
        self._child: Child | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._changed = asyncio.Event()

    async def start(self, *, limit_seconds: float = 10) -> None:
        """Start, and return when it takes commands."""
        program = await asyncio.to_thread(locate_baresip)
        control = self._lease.take()
        await asyncio.to_thread(self._configure, program.modules, control)
        argv = [*program.argv, "-4", "-f", str(self.directory)]
        self._child = await Child.start("baresip", argv, output=self.directory / "baresip.log")
        async with asyncio.timeout(limit_seconds):
            while self._writer is None:
                self._child.check()
                with suppress(OSError):
                    reader, self._writer = await asyncio.open_connection(LOOPBACK, control)
                    self._reading = asyncio.create_task(self._read(reader))
                await asyncio.sleep(0.02)

    async def register(self, *, expires: int = 60, limit_seconds: float = 10) -> None:
        """Register, and return when the server agreed.

        By command, not by itself: an answer that came before we listen for events would be lost.
        """
        await self.command("uanew", self._account.format(expires=expires))
        await self.event("REGISTER_OK", limit_seconds=limit_seconds)

    async def call(self, number: str) -> None:
        """Dial; wait for ``CALL_ESTABLISHED`` or ``CALL_CLOSED``."""
        await self.command("dial", number)

    async def hangup(self) -> None:
        """End the current call."""
        await self.command("hangup")

    async def command(self, name: str, parameters: str = "", *, limit_seconds: float = 5) -> dict[str, Any]:
        """Run one menu command and return its answer."""
        if self._writer is None:
            raise RuntimeError("this baresip is not running")
        message = json.dumps({"command": name, "params": parameters}).encode()
        self._writer.write(b"%d:%b," % (len(message), message))
        async with asyncio.timeout(limit_seconds):
            answer = await self._answers.get()
        if not answer.get("ok"):
            raise BaresipError(f"baresip {self.user}: {name} {parameters}: {answer.get('data')}")
        return answer

    async def event(self, kind: str, *, limit_seconds: float = 10) -> dict[str, Any]:
        """The first event of ``kind``, past or to come."""
        try:
            async with asyncio.timeout(limit_seconds):
                while True:
                    for event in self.events:
                        if event.get("type") == kind:
                            return event
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = [event.get("type") for event in self.events]
            raise TimeoutError(f"baresip {self.user}: no {kind} within {limit_seconds:g} s, only {seen}") from None

    def heard_hz(self) -> int | None:
        """The pitch of what it heard in the last call, once that has ended, without its first half second."""
        return audio.pitch_hz(audio.read_wav(self.directory / "heard.wav")[audio.RATE // 2 :])

    async def close(self) -> None:
        """End it; it unregisters if it still can."""
        if self._child is not None:
            await self._child.stop(limit_seconds=5)
        if self._reading is not None:
            await self._reading
        if self._writer is not None:
            self._writer.close()
        self._lease.release()

    def _configure(self, modules: Path, control: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        sip = self._lease.take(2)
        media = self._lease.take(_MEDIA_PORTS, even=True)
        here = self.directory.resolve()
        lines = [
            f"sip_listen {LOOPBACK}:{sip}",
            f"net_interface {LOOPBACK}",
            f"rtp_ports {media}-{media + _MEDIA_PORTS - 1}",
            "sip_verify_server no",
            f"audio_source aufile,{here}/tone.wav",
            f"audio_player aufile,{here}/heard.wav",
            f"audio_alert aufile,{here}/alert.wav",
            *(f"{name} {audio.RATE}" for name in ("ausrc_srate", "auplay_srate")),
            *(f"{name} 1" for name in ("ausrc_channels", "auplay_channels")),
            f"module_path {modules}",
            *(f"module {name}.so" for name in _MODULES),
            *(f"module_app {name}.so" for name in _APPLICATION_MODULES),
            f"ctrl_tcp_listen {LOOPBACK}:{control}",
        ]
        (here / "config").write_text("\n".join([*lines, ""]))
        (here / "accounts").write_text("")
        audio.write_wav(here / "tone.wav", self.hz, seconds=_TONE_SECONDS)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                if "response" in message:
                    self._answers.put_nowait(message)
                else:
                    self.events.append(message)
                    self._changed.set()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
