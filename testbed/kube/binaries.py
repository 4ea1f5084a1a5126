"""Finds etcd, kube-apiserver and kubectl, and fetches or builds what this machine lacks.

In this order, for each program: ``$KUBEBUILDER_ASSETS`` (the convention of controller-runtime's
envtest), ``$PATH``, our own cache, the release archive of envtest, and at last Debian packages; there
is none of kube-apiserver, which is therefore built from Debian's source (:mod:`testbed.kube.build`).
A machine that reaches package mirrors only gets the last, older one.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from testbed import cache, debian
from testbed.kube import build

_ETCD, _SERVER, _KUBECTL = "etcd", "kube-apiserver", "kubectl"
_PROGRAMS = (_ETCD, _SERVER, _KUBECTL)
# The current stable suite: its etcd 3.5 serves old and new API servers, and needs only a C library of 2021.
_SUITE = "trixie"
_PACKAGES = {_ETCD: "etcd-server", _KUBECTL: "kubectl"}

# Address and SHA-512 are the upstream project's own: kubernetes-sigs/controller-tools, envtest-releases.yaml.
_ENVTEST_VERSION = "1.36.2"
_ENVTEST = (
    "https://github.com/kubernetes-sigs/controller-tools/releases/download/"
    "envtest-v{version}/envtest-v{version}-linux-{machine}.tar.gz"
)
_ENVTEST_SHA512 = {
    "amd64": "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dc"
    "f30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
    "arm64": "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae2818"
    "1afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac",
}
_SECONDS_TO_CONNECT = 5
_SECONDS_TO_DOWNLOAD = 180
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Binaries:
    """The three programs, and where kube-apiserver came from."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    version: tuple[int, int]
    """Of kube-apiserver, such as ``(1, 36)``."""


def locate() -> Binaries:
    """Find the programs; the first call on a machine may download, or build for some minutes.

    Raises:
        BuildError: a program is not here and can be neither downloaded nor built.
    """
    found = {name: path for name in _PROGRAMS if (path := _present(name)) is not None}
    if _SERVER not in found:
        # From one archive, so that etcd and kube-apiserver were tested together.
        if envtest := _envtest():
            found = {name: envtest / name for name in _PROGRAMS} | {
                name: path for name, path in found.items() if name == _KUBECTL
            }
        else:
            found[_SERVER] = build.kube_apiserver()
    for name, package in _PACKAGES.items():
        if name not in found:
            tree = debian.tree(name, _SUITE, [package], dependencies=False)
            found[name] = tree / "usr/bin" / name
    return Binaries(found[_ETCD], found[_SERVER], found[_KUBECTL], version(found[_SERVER]))


def version(server: Path) -> tuple[int, int]:
    """Major and minor version of a kube-apiserver program.

    Raises:
        BuildError: it does not run on this machine, or is something else.
    """
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise cache.BuildError(f"{server} does not run: {error}") from error
    match = re.search(r"\bv(\d+)\.(\d+)", said)
    if match is None:
        raise cache.BuildError(f"{server} is no kube-apiserver: it calls itself {said.strip()!r}")
    return int(match[1]), int(match[2])


def _present(name: str) -> Path | None:
    """The program, where this machine has it already."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        path = Path(assets, name)
        if os.access(path, os.X_OK):
            return path
    on_path = shutil.which(name)
    return Path(on_path).absolute() if on_path else None


def _envtest() -> Path | None:
    """The unpacked release archive, unless it cannot be had or a build of our own is there already."""
    relative = f"kube/envtest-{_ENVTEST_VERSION}"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    ours = cache.root() / relative
    if (ours / cache.MARKER).exists():
        return ours
    if machine is None or build.is_built():
        return None
    try:
        return cache.artefact(relative, lambda target: _download_envtest(machine, target))
    except (OSError, HTTPException) as error:
        cache.progress(f"no release archive of Kubernetes from here ({error})")
        return None


def _download_envtest(machine: str, target: Path) -> None:
    address = _ENVTEST.format(version=_ENVTEST_VERSION, machine=machine)
    cache.progress(f"Kubernetes {_ENVTEST_VERSION}: {address}")
    deadline = time.monotonic() + _SECONDS_TO_DOWNLOAD
    digest = hashlib.sha512()
    with tempfile.TemporaryFile() as archive:
        with urllib.request.urlopen(address, timeout=_SECONDS_TO_CONNECT) as response:  # noqa: S310 -- https above
            while block := response.read(_CHUNK):
                digest.update(block)
                archive.write(block)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the download takes longer than {_SECONDS_TO_DOWNLOAD} s")
        if digest.hexdigest() != _ENVTEST_SHA512[machine]:
            # Not an OSError: a wrong archive is no reason to quietly go on with something else.
            raise cache.BuildError(f"{address} is not what its project published: its SHA-512 differs")
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:gz") as unpacked:
            for member in unpacked:
                name = Path(member.name).name
                content = unpacked.extractfile(member) if name in _PROGRAMS else None
                if content is not None:
                    with (target / name).open("wb") as program:
                        shutil.copyfileobj(content, program)
                    (target / name).chmod(0o755)
