"""A real Asterisk 22, found or fetched, and any number of instances of it side by side.

An instance is an ordinary process in the foreground (``-f``, no chroot, no root) with directories, ports
and accounts of its own, all on 127.0.0.1. It is up when AMI says ``FullyBooted`` and gone when
:meth:`AsteriskInstance.stop` returns, or when this process dies.

Where Asterisk comes from, in this order: ``$DIALPLANE_ASTERISK``; an ``asterisk`` on PATH of version 22 or
newer; Debian's ``forky``, unpacked into the cache (by apt, else by a container engine) and run by its own loader.
"""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import cache, debian
from testbed.ami import AmiClient
from testbed.bootstrap import Account, Directories, Settings, render
from testbed.documentation import brief
from testbed.ports import LOOPBACK, PortLease, lease
from testbed.process import Child

OLDEST = 22
_PACKAGES = (
    "asterisk",
    "asterisk-modules",
    "asterisk-config",
    "asterisk-core-sounds-en-gsm",
    "asterisk-moh-opsound-gsm",
)
_DEFAULT_RTP_PORTS = 80
_SOCKET_PATH_LIMIT = 100  # bytes; unix(7) allows 108 for the whole path of asterisk.ctl
_FILES_OF_TYPES = ("system", "global", "transport", "endpoint", "auth", "aor", "identify", "registration")

Bootstrap = Callable[[Settings], Mapping[str, str]]


class NoAsteriskError(cache.BuildError):
    """No Asterisk 22 is here and none could be fetched; the message lists the choices."""


@dataclass(frozen=True)
class Installation:
    """One Asterisk on this machine and how to run it."""

    origin: str
    argv: tuple[str, ...]
    version: str
    modules: Path
    data: Path
    agi: Path
    sbin: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """The argument vector for this Asterisk."""
        return [*self.argv, *arguments]


def locate() -> Installation:
    """Find Asterisk 22 or newer, and fetch it when this machine has none.

    Raises:
        NoAsteriskError: with every choice and why it was not taken.
    """
    if named := os.environ.get("DIALPLANE_ASTERISK"):
        # Whoever names one means that one; another would only hide the mistake.
        return _installed(Path(named), "$DIALPLANE_ASTERISK")
    refused: list[str] = []
    for describe, attempt in (("PATH", _from_path), ("Debian forky", _from_debian)):
        try:
            if found := attempt():
                return found
            refused.append(f"  {describe}: not there")
        except cache.BuildError as error:
            refused.append(f"  {describe}: {error}")
    choices = "\n".join(refused)
    raise NoAsteriskError(
        f"no Asterisk {OLDEST} or newer; tried\n{choices}\n"
        "Install one and put it on PATH, point DIALPLANE_ASTERISK at the binary, or start a container engine."
    )


def _from_path() -> Installation | None:
    found = shutil.which("asterisk", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")
    return _installed(Path(found), "PATH") if found else None


def _installed(binary: Path, origin: str) -> Installation:
    """An Asterisk that the machine's owner installed: its parts are where builds put them."""
    version = _version([str(binary)], {})
    prefix = binary.resolve().parent.parent
    libraries = [
        *sorted(prefix.glob("lib/*/asterisk/modules")),
        prefix / "lib/asterisk/modules",
        prefix / "lib64/asterisk/modules",
        Path("/usr/lib/asterisk/modules"),
    ]
    data = [prefix / "share/asterisk", Path("/usr/share/asterisk"), Path("/var/lib/asterisk")]
    modules = next((path for path in libraries if path.is_dir()), None)
    share = next((path for path in data if (path / "documentation").is_dir() or (path / "sounds").is_dir()), None)
    if modules is None or share is None:
        raise NoAsteriskError(f"{binary} has no modules or no data beside it")
    return Installation(origin, (str(binary),), version, modules, share, share / "agi-bin", binary.parent)


def _from_debian() -> Installation:
    root = debian.tree("asterisk", "forky", _PACKAGES)
    argv = debian.command(root, "usr/sbin/asterisk")
    modules = next(root.glob("usr/lib/*/asterisk/modules"))
    # Without it the tree's C library would load the machine's character set converters.
    env = {"GCONV_PATH": str(modules.parent.parent / "gconv")}
    share = root / "usr/share/asterisk"
    return Installation(
        "Debian forky",
        tuple(argv),
        _version(argv, env),
        modules,
        share,
        share / "agi-bin",
        root / "usr/sbin",
        env,
    )


def _version(argv: Sequence[str], env: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [*argv, "-V"], capture_output=True, text=True, check=True, timeout=20, env={**os.environ, **env}
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoAsteriskError(f"{argv[-1]} does not run: {error}") from error
    match = re.search(r"Asterisk ((?:GIT-|certified-)?(\d+)\S*)", done.stdout)
    if match is None or int(match[2]) < OLDEST:
        raise NoAsteriskError(f"{argv[-1]} is {done.stdout.strip() or 'of unknown version'}, not {OLDEST} or newer")
    return match[1]


class AsteriskInstance:
    """One running Asterisk with everything of its own.

    Args:
        directory: made if missing, kept after :meth:`stop` (logs, spool, database).
        installation: by default what :func:`locate` finds.
        bootstrap_files: relative path -> content for ``astetcdir``, or a function that makes it from the
            instance's settings; by default Dialplane's own bootstrap.
        dialplane_files: relative path -> content for ``astetcdir/dialplane`` before the first start.
        rtp_ports: how many ports RTP may use; a call through Asterisk takes four.
        ari: the account and the port of its REST interface, where a site says them; by default ones of its own.

    Attributes:
        settings: directories, ports and accounts, fixed for the life of the instance.
        sip_port: reserved for a UDP and a TCP transport; the rendered configuration binds it.
        tls_port: likewise for TLS.
        rtp_start, rtp_end: the reserved RTP range, both included.
    """

    def __init__(
        self,
        directory: Path,
        *,
        installation: Installation | None = None,
        bootstrap_files: Mapping[str, str] | Bootstrap | None = None,
        dialplane_files: Mapping[str, str] | None = None,
        rtp_ports: int = _DEFAULT_RTP_PORTS,
        ari: tuple[Account, int] | None = None,
    ) -> None:
        self.directory = directory
        self.installation = installation or locate()
        self._lease: PortLease = lease(rtp_ports + 20)
        self.sip_port, self.tls_port = self._lease.take(), self._lease.take()
        self.settings = Settings(
            directories=self._make_directories(),
            host=LOOPBACK,
            ami_port=self._lease.take(),
            http_port=ari[1] if ari else self._lease.take(),
            placeholder_port=self._lease.take(2),
            controller=Account("dialplane", secrets.token_hex(16)),
            calls=Account("calls", secrets.token_hex(16)),
            ari=ari[0] if ari else Account("ari", secrets.token_hex(16)),
        )
        self.https_port = self._lease.take()
        self.rtp_start = self._lease.take(rtp_ports, even=True)
        self.rtp_end = self.rtp_start + rtp_ports - 1
        self._bootstrap = bootstrap_files or render
        self._child: Child | None = None
        self._booted = float("-inf")
        self.write_blank()
        for name, content in (dialplane_files or {}).items():
            self.write(f"dialplane/{name}", content)

    @property
    def etc(self) -> Path:
        """``astetcdir``; what Dialplane renders is in its folder ``dialplane``."""
        return self.settings.directories.etc

    @property
    def pid(self) -> int:
        """The process id of the running Asterisk."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.running

    @property
    def ari_url(self) -> str:
        """The base URL of ARI, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.settings.http_port}"

    def write(self, name: str, content: str) -> None:
        """Write one file of ``astetcdir``."""
        path = self.etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def write_blank(self) -> None:
        """Write the folder ``dialplane`` as it is before anything is rendered."""
        for name in _FILES_OF_TYPES:
            self.write(f"dialplane/pjsip_{name}.conf", "")
        self.write("dialplane/rtp.conf", f"[general]\nrtpstart={self.rtp_start}\nrtpend={self.rtp_end}\n")

    def log(self) -> str:
        """Notices, warnings and errors since the first start."""
        with suppress(FileNotFoundError):
            return (self.settings.directories.log / "messages").read_text(errors="replace")
        return ""

    def complaints(self) -> list[str]:
        """The log's warnings and errors, without the notices."""
        return [line for line in self.log().splitlines() if re.search(r"\] (WARNING|ERROR)\[", line)]

    async def start(self, *, limit_seconds: float = 30) -> None:
        """Start, and return when Asterisk is fully booted.

        Raises:
            StoppedEarlyError: it ended by itself.
            TimeoutError: it did not boot in time; it has been stopped.
        """
        if self.running:
            raise RuntimeError("this Asterisk runs already")
        # Asterisk names its start by the second: two within one could not be told apart.
        await asyncio.sleep(max(0.0, self._booted + 1 - time.monotonic()))
        files = self._bootstrap(self.settings) if callable(self._bootstrap) else self._bootstrap
        for name, content in files.items():
            self.write(name, content)
        argv = self.installation.command("-f", "-C", str(self.etc / "asterisk.conf"))
        output = self.settings.directories.log / "console.log"
        env = {**self.installation.env, "LC_ALL": "C.UTF-8"}
        child = self._child = await Child.start("asterisk", argv, output=output, env=env, cwd=self.directory)
        try:
            async with asyncio.timeout(limit_seconds):
                await self._wait_until_booted(child)
            self._booted = time.monotonic()
        except BaseException as error:
            await self.stop(limit_seconds=2)
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"Asterisk did not boot within {limit_seconds:g} s\n{child.tail()}") from error
            raise

    async def stop(self, *, limit_seconds: float = 15) -> None:
        """SIGTERM (Asterisk hangs up and leaves), SIGKILL after ``limit_seconds``; the ports stay ours."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(limit_seconds=limit_seconds)

    async def restart(self, *, limit_seconds: float = 15) -> None:
        """Stop, with that limit, and start, with the same directories, ports and accounts."""
        await self.stop(limit_seconds=limit_seconds)
        await self.start()

    async def close(self) -> None:
        """Stop for good, and at once, since nobody reads what an orderly end writes: the ports are given back."""
        await self.stop(limit_seconds=0)
        self._lease.release()
        if self.settings.directories.run.parent != self.directory:
            shutil.rmtree(self.settings.directories.run, ignore_errors=True)

    async def ami(self, account: Account | None = None, *, events: bool = True) -> AmiClient:
        """A logged-in AMI connection, by default the controller's; close it, or use it as a context."""
        account = account or self.settings.controller
        return await AmiClient.login(LOOPBACK, self.settings.ami_port, account.name, account.secret, events=events)

    async def console(self, command: str, *, limit_seconds: float = 10) -> str:
        """What the command-line interface answers to ``command``, through the control socket."""
        argv = self.installation.command("-C", str(self.etc / "asterisk.conf"), "-rx", command)
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.installation.env},
        )
        try:
            async with asyncio.timeout(limit_seconds):
                output, _ = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return output.decode(errors="replace")

    async def channels(self) -> list[list[str]]:
        """The fields of each channel in ``core show channels concise``: name, context, extension, priority, ...

        What Bridge() sometimes leaves of a channel that it took over is left out: 22.10.1 keeps it, dead, for ever.
        """
        lines = (await self.console("core show channels concise")).splitlines()
        fields = [line.split("!") for line in lines if "!" in line]
        return [each for each in fields if not (each[0].startswith("Surrogate/") and each[4] == "Down")]

    async def _wait_until_booted(self, child: Child) -> None:
        while True:
            child.check()
            try:
                client = await self.ami()
            except (OSError, EOFError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            async with client:
                await client.event("FullyBooted", limit_seconds=120)
            return

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("this Asterisk is not running")
        return self._child

    def _make_directories(self) -> Directories:
        base = self.directory.resolve()
        own = {name: base / name for name in ("etc", "varlib", "db", "key", "data", "spool", "run", "log", "cache")}
        if len(os.fsencode(own["run"] / "asterisk.ctl")) > _SOCKET_PATH_LIMIT:
            own["run"] = Path(tempfile.mkdtemp(prefix="dialplane-"))
        for path in own.values():
            path.mkdir(parents=True, exist_ok=True)
        (own["key"] / "keys").mkdir(exist_ok=True)
        (own["log"] / "cdr-csv").mkdir(exist_ok=True)
        self._link_data(own["data"])
        here = self.installation
        return Directories(modules=here.modules, agi=here.agi, sbin=here.sbin, moh=here.data / "moh", **own)

    def _link_data(self, data: Path) -> None:
        """Its own data directory, so that recorded prompts stay apart; what came with Asterisk is linked."""
        sounds = data / "sounds"
        sounds.mkdir(exist_ok=True)
        installed = self.installation.data
        wanted = {data / name: installed / name for name in ("rest-api", "moh")}
        if (installed / "documentation").is_dir():
            wanted[data / "documentation"] = brief(installed / "documentation")
        languages = {path.name: path for path in (installed / "sounds").glob("*") if path.is_dir()}
        # Debian's alternative `en` is made by a maintainer script, which an unpacked tree never ran.
        english = languages.get("en") or next(
            (languages[name] for name in sorted(languages) if name[:3] == "en_"), None
        )
        wanted |= {sounds / name: path for name, path in languages.items()}
        if english is not None:
            wanted[sounds / "en"] = english
        for link, target in wanted.items():
            if not link.is_symlink() and target.exists():
                link.symlink_to(target.resolve())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
