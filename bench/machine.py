"""Where the benchmark runs, and with which versions."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.results import Machine
from testbed.asterisk import locate as asterisk
from testbed.kube.binaries import locate as kubernetes

_PACKAGES = ("dialplane", "kopf", "kubernetes", "pydantic", "PyYAML")


def describe() -> Machine:
    """This machine, now."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    api = kubernetes().version
    versions = {
        "Python": platform.python_version(),
        "Asterisk": asterisk().version,
        "kube-apiserver": f"{api[0]}.{api[1]}",
        **{package: version(package) for package in _PACKAGES},
    }
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cpu=processor[1] if processor else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        versions=versions,
    )
