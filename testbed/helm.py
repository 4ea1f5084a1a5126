"""Helm as a library (the package `helm-sdkpy`), for the tests of the charts.

The package asks for Python 3.12 and runs on 3.11, so it cannot stand in the project's own lock; it is fetched, hashes
checked, into a folder of the cache that tests put on their path.
"""

import sys
from pathlib import Path

from testbed import cache

LOCK = Path(__file__).with_name("helm.lock")


def folder() -> Path:
    """The folder to put on `sys.path`."""
    return cache.artefact(f"helm-{sys.version_info.major}.{sys.version_info.minor}", _install)


def _install(target: Path) -> None:
    cache.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-requires-python"),
            *("--require-hashes", "--target", str(target), "--requirement", str(LOCK)),
        ],
        label="helm-sdkpy",
        limit_seconds=600,
    )
