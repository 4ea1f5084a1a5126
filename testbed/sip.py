"""SIP peers for tests: real sipp phones, and scripted peers where sipp is too stiff. All have time limits.

``SippPhone`` runs the scenarios in ``testbed/sipp`` with SIPp 3.8 or newer (older ones cannot count received
RTP): one from PATH, else Debian's, unpacked into the cache. ``Peer`` steers ``testbed.phone`` and
``testbed.carrier``, processes of our own. Whoever wants RTP to move must have one side send: sipp plays a
tone, and so do our peers.
"""

import asyncio
import itertools
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import audio, cache, debian
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK, PortLease, lease
from testbed.process import Child

_SCENARIOS = Path(__file__).parent / "sipp"
_OLDEST_SIPP = (3, 8)
_PACKAGES = ("sip-tester",)
_MEDIA_PORTS = 10

Address = tuple[str, int]


@dataclass(frozen=True)
class SippResult:
    """How one scenario ended.

    Attributes:
        ok: every message came as the scenario expects.
        rtp_received: packets that sipp counted, None if the scenario does not count.
        errors: sipp's own words about what was unexpected.
        messages: file with every SIP message.
    """

    ok: bool
    rtp_received: int | None
    errors: str
    messages: Path


@once
def locate_sipp() -> tuple[str, ...]:
    """The beginning of sipp's command line; fetched when the machine has none or an old one.

    Raises:
        BuildError: it could not be fetched.
    """
    if (found := shutil.which("sipp")) and _sipp_version([found]) >= _OLDEST_SIPP:
        return (found,)
    argv = debian.command(debian.tree("sipp", "forky", _PACKAGES), "usr/bin/sipp")
    if _sipp_version(argv) < _OLDEST_SIPP:
        raise cache.BuildError("Debian's sipp does not run here")
    return tuple(argv)


def _sipp_version(argv: list[str]) -> tuple[int, int]:
    # SIPp's -v ends with a status of its own; only its words count.
    done = subprocess.run([*argv, "-v"], capture_output=True, text=True, check=False, timeout=20)
    match = re.search(r"SIPp v(\d+)\.(\d+)", done.stdout + done.stderr)
    return (int(match[1]), int(match[2])) if match else (0, 0)


class SippPhone:
    """One phone at one address: registers, calls and answers by real sipp processes, one at a time.

    Args:
        directory: scenario, messages and errors of each run are kept here.
        user: user part and digest user name.
        password: for digest.
        server: Asterisk's SIP address.
        hz: the tone that it plays.
    """

    def __init__(self, directory: Path, *, user: str, password: str, server: Address, hz: int = 440) -> None:
        self.directory, self.user, self.password, self.server, self.hz = directory, user, password, server, hz
        self._lease: PortLease = lease()
        self.port = self._lease.take(2)
        self._media = self._lease.take(_MEDIA_PORTS, even=True)
        self._runs = itertools.count(1)

    async def register(self, *, expires: int = 300, final: int = 200) -> SippResult:
        """REGISTER by digest; ``final`` is the answer that must come in the end (401: refused)."""
        return await self._run("register", {"FINAL": final}, {"expires": str(expires)})

    async def guess(self, *, times: int, a_second: int, limit_seconds: float = 60) -> SippResult:
        """REGISTER so many times with a password that is refused each time."""
        options = ("-m", str(times), "-r", str(a_second), "-l", str(2 * a_second))
        run = await self._start("register", {"FINAL": 401}, {"expires": "300"}, limit_seconds, options)
        return await run.result()

    async def unregister(self) -> SippResult:
        """REGISTER with no lifetime."""
        return await self.register(expires=0)

    async def call(self, number: str, *, talk_seconds: float = 2, limit_seconds: float = 30) -> SippResult:
        """Call, talk, count what comes back, hang up."""
        changes = {"TALK": round(talk_seconds * 1000)}
        return await self._run("call", changes, {"number": number}, limit_seconds)

    async def call_refused(self, number: str, final: int, *, limit_seconds: float = 30) -> SippResult:
        """Call, and be refused with ``final``."""
        return await self._run("call_refused", {"FINAL": final}, {"number": number}, limit_seconds)

    async def options(self, number: str, final: int = 200) -> SippResult:
        """OPTIONS without authentication; ``final`` is the answer that must come."""
        return await self._run("options", {"FINAL": final}, {"number": number})

    async def answer(self, *, ring_seconds: float = 0.2, limit_seconds: float = 30) -> "SippRun":
        """Wait for one call, answer, talk until the other side hangs up; returns once it listens."""
        changes = {"RING": round(ring_seconds * 1000)}
        run = await self._start("answer", changes, {}, limit_seconds, calls=())  # it ends itself after its call
        await _until_bound(self.port, run.child)
        return run

    def close(self) -> None:
        """Give the ports back."""
        self._lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _run(
        self, scenario: str, changes: Mapping[str, int], keys: Mapping[str, str], limit_seconds: float = 15
    ) -> SippResult:
        return await (await self._start(scenario, changes, keys, limit_seconds)).result()

    async def _start(
        self,
        scenario: str,
        changes: Mapping[str, int],
        keys: Mapping[str, str],
        limit_seconds: float,
        calls: Sequence[str] = ("-m", "1"),
    ) -> "SippRun":
        place = self.directory / f"{next(self._runs):02d}-{scenario}"
        place.mkdir(parents=True)
        text = (_SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in changes.items():
            text = text.replace(f"@{name}@", str(value))
        (place / "scenario.xml").write_text(text)
        await asyncio.to_thread(audio.write_tone, place / "tone.ulaw", self.hz)
        all_keys = {"user": self.user, "password": self.password, **keys}
        host, port = self.server
        argv = [
            *(await asyncio.to_thread(locate_sipp)),
            *("-sf", "scenario.xml", *calls, "-nostdin", "-i", LOOPBACK, "-p", str(self.port)),
            *("-mi", LOOPBACK, "-min_rtp_port", str(self._media)),
            *("-max_rtp_port", str(self._media + _MEDIA_PORTS - 1)),
            *("-timeout", f"{limit_seconds:.0f}s", "-timeout_error"),
            *("-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"),
            *("-trace_logs", "-log_file", "counts.log"),
            *(part for name, value in all_keys.items() for part in ("-key", name, value)),
            f"{host}:{port}",
        ]
        child = await Child.start(f"sipp {scenario}", argv, output=place / "screen.log", cwd=place)
        return SippRun(child, place, limit_seconds)


@dataclass
class SippRun:
    """A sipp that runs."""

    child: Child
    place: Path
    limit_seconds: float

    async def result(self) -> SippResult:
        """Wait for its end; it is killed when its own time limit fails."""
        try:
            code = await self.child.wait(self.limit_seconds + 5)
        except asyncio.CancelledError:
            await self.child.stop(limit_seconds=0)
            raise
        counted = re.search(r"rtp_received=(\d+)", _read(self.place / "counts.log"))
        return SippResult(
            ok=code == 0,
            rtp_received=int(counted[1]) if counted else None,
            errors=_read(self.place / "errors.log"),
            messages=self.place / "messages.log",
        )

    async def stop(self) -> None:
        """End it."""
        await self.child.stop(limit_seconds=0)


class Peer(PeerProcess):
    """A phone or a carrier of ours.

    Commands and their fields are documented where they are carried out, in ``testbed/phone.py`` and
    ``testbed/carrier.py``.
    """

    @classmethod
    async def phone(
        cls,
        directory: Path,
        *,
        user: str,
        password: str,
        server: Address,
        hz: int = 440,
        calls: int = 20,
        host: str = LOOPBACK,
    ) -> Self:
        """Start a phone; ``address`` is where it listens."""
        options = {"user": user, "password": password, "hz": str(hz), "calls": str(calls), "host": host}
        return await cls._start("phone", directory, server, options)

    @classmethod
    async def carrier(
        cls,
        directory: Path,
        *,
        server: Address,
        user: str = "carrier",
        hz: int = 660,
        calls: int = 20,
        port: int = 0,
        host: str = LOOPBACK,
    ) -> Self:
        """Start a carrier; ``port`` 0 leases one; give the old one to start it again at the same address.

        A ``host`` of its own (127.0.0.2) keeps a trunk that is known by its address apart from phones.
        """
        options = {"user": user, "hz": str(hz), "calls": str(calls), "host": host}
        options |= {"port": str(port)} if port else {}
        return await cls._start("carrier", directory, server, options)

    @classmethod
    async def _start(cls, module: str, directory: Path, server: Address, options: Mapping[str, str]) -> Self:
        log = directory / f"{module}-{options['user']}.log"
        options = {"server": f"{server[0]}:{server[1]}", **options}
        return await cls.launch(module, log, options, name=f"{module} {options['user']}", host=options["host"])


async def _until_bound(port: int, child: Child, limit_seconds: float = 5) -> None:
    """Wait until somebody on this machine listens at a UDP port, by the kernel's own table (proc(5))."""
    async with asyncio.timeout(limit_seconds):
        while not _is_bound(port):
            child.check()
            await asyncio.sleep(0.02)


def _is_bound(port: int) -> bool:
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(errors="replace")
    return ""
