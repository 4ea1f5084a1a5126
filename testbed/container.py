"""The same unpacked Debian trees on a machine without apt, by a container engine if one really runs.

The engine only downloads and unpacks, by its own Debian image whose apt checks signatures; what runs later is the
tree's program by the tree's own loader, an ordinary process like everywhere else. Linux only, for that reason.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbed import cache

_ENGINES = ("docker", "podman")
# Run as the container's root. An empty status file makes apt fetch everything down to the C library.
_SCRIPT = """\
set -eu
mkdir -p /debs/partial
: > /status
apt-get -q update
apt-get -q -y --download-only -o Dir::State::status=/status -o Dir::Cache::archives=/debs \
    -o APT::Sandbox::User=root -o APT::Install-Recommends={recommends} install {packages}
for deb in /debs/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C /out --keep-directory-symlink --no-same-owner
    basename "$deb" >> /out/packages.txt
done
chown -R {owner} /out
"""


def engine() -> str | None:
    """The name of a container engine whose daemon answers, or None."""
    if sys.platform != "linux":
        return None
    for name in _ENGINES:
        if shutil.which(name) is None:
            continue
        try:
            done = subprocess.run([name, "info"], capture_output=True, check=False, timeout=20)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return name
    return None


def unpack(name: str, suite: str, packages: Sequence[str], target: Path, *, recommends: bool) -> None:
    """Fill ``target`` with the packages of a Debian suite and all that they depend on.

    Raises:
        BuildError: the engine, the image, the download or the unpacking failed.
    """
    script = _SCRIPT.format(
        recommends=int(recommends), packages=shlex.join(packages), owner=f"{os.getuid()}:{os.getgid()}"
    )
    argv = [name, "run", "--rm", "--volume", f"{target}:/out", f"debian:{suite}", "sh", "-c", script]
    cache.run(argv, label=f"Debian {suite}: fetching {', '.join(packages)} with {name}")
