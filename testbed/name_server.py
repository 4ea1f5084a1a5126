"""A real DNS server on loopback, and programs that ask it instead of the machine's own.

The server is Unbound: what sites themselves run, with records that change while it serves (``unbound-control``) and a
log of every question, so that nothing of ours stands between a record and Asterisk. It knows what a test tells it and
nothing else: it asks nobody, and every other name does not exist.

``resolv.conf`` names no port. So the server listens at port 53 of a loopback address of its own, and a program that is
to ask it runs in a mount namespace of its own in which ``/etc/resolv.conf`` is ours (:meth:`NameServer.asked_by`). The
machine's resolver is left alone. Both need root, or the capabilities CAP_SYS_ADMIN and CAP_NET_BIND_SERVICE.

Sources: unbound.conf(5), unbound-control(8), resolv.conf(5), mount_namespaces(7).
"""

import asyncio
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import asterisk, cache, debian
from testbed.process import Child

PORT = 53
_NAMESPACE = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c")
_OURS = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
_TTL_SECONDS = 0
_QUESTION = re.compile(r" info: \S+ (\S+)\. (\w+) IN$", re.MULTILINE)
_SETTINGS = """\
server:
    interface: {address}
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-ip6: no
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{directory}"
    pidfile: ""
    use-syslog: no
    log-queries: yes
    num-threads: 1
    module-config: "iterator"
    local-zone: "." static
remote-control:
    control-enable: yes
    control-interface: {control}
    control-use-cert: no
"""


class NoNameServerError(cache.BuildError):
    """This machine cannot run one; the message says what it lacks."""


@dataclass(frozen=True)
class Programs:
    """How the server and its control program are run."""

    server: tuple[str, ...]
    control: tuple[str, ...]


def locate() -> Programs:
    """Find Unbound on PATH, and fetch it when this machine has none.

    Raises:
        BuildError: it could not be fetched.
    """
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    server, control = (shutil.which(name, path=path) for name in ("unbound", "unbound-control"))
    if server and control:
        return Programs((server,), (control,))
    root = debian.tree("unbound", "forky", ("unbound",))
    return Programs(*(tuple(debian.command(root, f"usr/sbin/{name}")) for name in ("unbound", "unbound-control")))


@dataclass
class NameServer:
    """One running server; start it with :meth:`start`, end it with :meth:`stop`."""

    directory: Path
    address: str
    _programs: Programs
    _child: Child
    _control: Path
    _read: int = field(default=0)

    @classmethod
    async def start(cls, directory: Path) -> Self:
        """Start a server that knows no name yet; what it says is kept in ``directory``.

        Raises:
            NoNameServerError: this user may not do what it takes, or no Unbound can be had.
            StoppedEarlyError: it ended by itself.
        """
        _check_rights()
        programs = await asyncio.to_thread(locate)
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        # A socket's path has 108 bytes at most; a test's folder may need more.
        control = Path(tempfile.mkdtemp(prefix="dialplane-dns-")) / "control"
        for address in _addresses():
            (directory / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n")
            settings = _SETTINGS.format(address=address, port=PORT, directory=directory, control=control)
            (directory / "unbound.conf").write_text(settings)
            argv = [*programs.server, "-d", "-c", str(directory / "unbound.conf")]
            child = await Child.start("unbound", argv, output=directory / "unbound.log")
            server = cls(directory, address, programs, child, control)
            if await server._is_up():
                return server
        raise NoNameServerError("no loopback address is free for a DNS server")

    async def put(self, name: str, *records: str) -> None:
        """Let ``name`` have these records and no others; without any it does not exist.

        Args:
            name: without a dot at the end.
            records: type and data, such as ``A 192.0.2.1`` or ``SRV 10 0 5060 a.example.com.``.
        """
        await self._tell("local_data_remove", f"{name}.")
        for record in records:
            await self._tell("local_data", f"{name}. {_TTL_SECONDS} IN {record}")

    def questions(self) -> list[tuple[str, str]]:
        """Name and type of every question since the last call, such as ``("sip.example.com", "A")``."""
        text = self._child.output.read_text(errors="replace")
        new, self._read = text[self._read :], len(text)
        return _QUESTION.findall(new)

    def asked_by(self, argv: Iterable[str] = ()) -> list[str]:
        """The argument vector of a program that asks this server; without ``argv`` what stands before it."""
        return [*_NAMESPACE, _OURS, str(self.directory / "resolv.conf"), *argv]

    def installation(self) -> asterisk.Installation:
        """An Asterisk that asks this server."""
        found = asterisk.locate()
        return replace(found, argv=tuple(self.asked_by(found.argv)))

    async def stop(self) -> None:
        """End it: whoever asks gets no answer."""
        await self._child.stop(limit_seconds=3)
        shutil.rmtree(self._control.parent, ignore_errors=True)

    async def _is_up(self) -> bool:
        """Wait until it listens; False where its address is taken."""
        async with asyncio.timeout(15):
            while self._child.running:
                if self._control.exists():
                    return True
                await asyncio.sleep(0.02)
        if "address already in use" in self._child.tail().lower():
            return False
        self._child.check()
        return False

    async def _tell(self, *command: str) -> None:
        argv = [*self._programs.control, "-c", str(self.directory / "unbound.conf"), *command]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=10, check=False)
        if done.returncode or "ok" not in done.stdout:
            raise RuntimeError(f"unbound-control {' '.join(command)}: {done.stdout}{done.stderr}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _check_rights() -> None:
    needed = "a test of DNS needs root (CAP_SYS_ADMIN and CAP_NET_BIND_SERVICE)"
    try:
        subprocess.run(
            [*_NAMESPACE, 'mount --bind "$0" /etc/resolv.conf', os.devnull],
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((next(_addresses()), PORT))
    except FileNotFoundError as error:
        raise NoNameServerError(f"{needed}, and `unshare` of util-linux: {error}") from None
    except subprocess.CalledProcessError as error:
        raise NoNameServerError(f"{needed}, to give a program its own /etc/resolv.conf: {error.stderr}") from None
    except PermissionError:
        raise NoNameServerError(f"{needed}, to listen at port {PORT}") from None
    except OSError:
        return  # that address is taken; another will do


def _addresses() -> Iterator[str]:
    """Loopback addresses, from one that other processes hardly begin with."""
    for step in itertools.count(os.getpid()):
        number = step % 65_000
        yield f"127.53.{number // 250}.{number % 250 + 1}"
