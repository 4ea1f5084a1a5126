"""Ports on 127.0.0.1 that no two peers of any test, demo or benchmark process ever share.

Binding port 0 and closing the socket again hands the port to whoever is next. Instead the range below
the kernel's ephemeral ports is cut into blocks, and a block belongs to whoever holds the ``flock`` on
its file: the kernel frees it when that process ends, however it ends. A block in which a foreign
program listens already is passed over.
"""

import fcntl
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from testbed import cache

LOOPBACK = "127.0.0.1"
_FIRST = 20_000
_BLOCK = 50
_BLOCKS = 240


@dataclass
class PortLease:
    """``size`` neighbouring ports, ours until :meth:`release` or the end of this process."""

    first: int
    size: int
    _locks: list[IO[str]] = field(default_factory=list, repr=False)
    _given: int = 0

    def take(self, count: int = 1, *, even: bool = False) -> int:
        """Hand out the next ``count`` ports of the lease, the first of them even for RTP."""
        start = self.first + self._given
        start += start % 2 if even else 0
        self._given = start - self.first + count
        if self._given > self.size:
            raise ValueError(f"a lease of {self.size} ports does not hold {count} more")
        return start

    def release(self) -> None:
        """Give the ports back; harmless when done twice."""
        while self._locks:
            self._locks.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lease(size: int = _BLOCK) -> PortLease:
    """Lease ``size`` neighbouring ports, free on loopback for TCP and UDP alike.

    Raises:
        OSError: all blocks are taken.
    """
    blocks = -(-size // _BLOCK)
    # Where the search starts differs by process, so that neighbours rarely meet at all.
    offset = os.getpid() % _BLOCKS
    for step in range(_BLOCKS):
        start = (offset + step) % _BLOCKS
        if start + blocks > _BLOCKS:
            continue
        locks = list(_locked(range(start, start + blocks)))
        first = _FIRST + start * _BLOCK
        if len(locks) == blocks and all(_is_free(port) for port in range(first, first + size)):
            return PortLease(first, size, locks)
        for lock in locks:
            lock.close()
    raise OSError(f"no {size} neighbouring ports are free between {_FIRST} and {_FIRST + _BLOCK * _BLOCKS}")


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _locked(blocks: range) -> Iterator[IO[str]]:
    """Lock the blocks one by one, up to the first that somebody else holds."""
    directory = cache.root() / "ports"
    directory.mkdir(exist_ok=True)
    for block in blocks:
        handle = (directory / f"{_FIRST + block * _BLOCK}.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return
        yield handle


def _is_free(port: int) -> bool:
    for address, kind in itertools.product((LOOPBACK, ""), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_INET, kind) as probe:
            # A connection in TIME_WAIT does not keep a server from the port.
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
