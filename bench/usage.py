"""What a process takes, by the kernel's own books (proc(5))."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024
_UTIME, _STIME = 11, 12  # counted behind the name in brackets, which may hold anything


@dataclass(frozen=True)
class Usage:
    """Since the process started; memory in bytes.

    Attributes:
        cpu_seconds: user and system, all threads.
        rss: resident now.
        peak_rss: resident at most.
        files: open descriptors that are no sockets.
        sockets: those that are.
    """

    cpu_seconds: float
    rss: int
    peak_rss: int
    files: int
    sockets: int


def usage(pid: int) -> Usage:
    """Ask for it.

    Raises:
        OSError: the process has ended.
    """
    proc = Path(f"/proc/{pid}")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    memory = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", (proc / "status").read_text(), re.MULTILINE))
    kinds = Counter(target.startswith("socket:") for target in _targets(proc / "fd"))
    return Usage(
        cpu_seconds=(int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS,
        rss=int(memory["VmRSS"]) * _KIB,
        peak_rss=int(memory["VmHWM"]) * _KIB,
        files=kinds[False],
        sockets=kinds[True],
    )


def _targets(folder: Path) -> Iterator[str]:
    for link in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())
