"""What no package holds ready: two Kubernetes servers, built from Debian's source packages.

* kube-apiserver 1.20.2, from Debian 12's complete source of Kubernetes, with Go 1.15 of Debian 11:
  the Go of its time. With Go 1.19 it builds as well, and then crashes under load.
* The CRD server (apiextensions-apiserver, 1.36 or newer) from Debian's unstable suite, which packages
  Kubernetes' libraries, but no server: the first API server we can have here that enforces CEL.

Both take about two minutes on two cores. Debian builds Go without modules (``GO111MODULE=off``), so
nothing but the Debian mirror is needed. A build starts from signed packages, leaves one binary in the
cache, and then drops the sources and compilers again, which take 3 GB.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed import cache, debian

_KUBERNETES = "k8s.io/kubernetes"
_VERSION = "1.20.2"
_APISERVER = f"kube/apiserver-{_VERSION}"
_CRD_SERVER = "k8s.io/apiextensions-apiserver"
_OPENAPI = f"{_KUBERNETES}/pkg/generated/openapi"


def is_built() -> bool:
    """Whether kube-apiserver is in the cache."""
    return (cache.root() / _APISERVER / cache.MARKER).exists()


def kube_apiserver() -> Path:
    """The program kube-apiserver 1.20.2.

    Raises:
        BuildError: a download or the build failed; the message carries the end of its output.
    """
    return cache.artefact(_APISERVER, _build_kube_apiserver) / "kube-apiserver"


def crd_server() -> Path:
    """The program apiextensions-apiserver of Debian's unstable suite.

    Raises:
        BuildError: a download or the build failed; the message carries the end of its output.
    """
    return cache.artefact("kube/crd-server-sid", _build_crd_server) / "crd-server"


def _build_kube_apiserver(target: Path) -> None:
    toolchain = debian.tree("go-1.15", "bullseye", ["golang-1.15-go", "golang-1.15-src"], dependencies=False)
    unpacked = debian.source("kubernetes", "bookworm")
    workspace = target / "workspace"
    checkout = workspace / "src" / _KUBERNETES
    # A copy, because the build writes into it, and what the cache calls complete never changes.
    shutil.copytree(unpacked, checkout, symlinks=True)
    go = Go(toolchain / "usr/lib/go-1.15", workspace, cache.root() / "kube/go-cache-1.15")
    _generate_openapi(go, checkout)
    go.build(f"{_KUBERNETES}/cmd/kube-apiserver", target / "kube-apiserver", _version_flags())
    shutil.rmtree(workspace)
    go.forget()
    for used in (toolchain, unpacked.parent):
        cache.discard(used)


def _generate_openapi(go: "Go", checkout: Path) -> None:
    """Write the one generated package that the source release leaves out; kube-apiserver imports it.

    Kubernetes' makefiles generate it together with everything else, through rsync and half an hour
    of shell; the generator itself needs the packages that carry its tag and four seconds.
    """
    tag = "+k8s:openapi-gen="
    tagged = {
        path.parent
        for root in ("pkg", "staging/src/k8s.io")
        for path in (checkout / root).rglob("*.go")
        if "sample" not in str(path) and "code-generator" not in str(path) and tag in path.read_text()
    }
    staged = checkout / "staging/src"
    packages = sorted(
        f"{_KUBERNETES}/vendor/{path.relative_to(staged)}"
        if path.is_relative_to(staged)
        else f"{_KUBERNETES}/{path.relative_to(checkout)}"
        for path in tagged
    )
    generator = checkout / "openapi-gen"
    go.build(f"{_KUBERNETES}/vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator)
    header = checkout / "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"
    argv: list[str | Path] = [
        generator, "--input-dirs", ",".join(packages), "--output-package", _OPENAPI,
        "--output-file-base", "zz_generated.openapi", "--go-header-file", header,
        "--report-filename", checkout / "openapi.report",
    ]  # fmt: skip
    go.run(
        argv,
        label="kube-apiserver: generating the OpenAPI definitions",
        cwd=checkout,
    )


def _version_flags() -> str:
    """What the server answers at ``/version``; clients decide by it what they may ask for."""
    major, minor, _ = _VERSION.split(".")
    facts = {
        "gitVersion": f"v{_VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "debian",
    }
    packages = ("component-base/version", "client-go/pkg/version")
    return " ".join(
        f"-X {_KUBERNETES}/vendor/k8s.io/{package}.{name}={value}"
        for package in packages
        for name, value in facts.items()
    )


def _build_crd_server(target: Path) -> None:
    sid = debian.tree("crd-server-build", "sid", ["golang-go", "golang-k8s-apiextensions-apiserver-dev"])
    go = Go(sid / "usr/lib/go", sid / "usr/share/gocode", cache.root() / "kube/go-cache-sid")
    go.build(_CRD_SERVER, target / "crd-server")
    go.forget()
    cache.discard(sid)


class Go:
    """One Go release, used in place, on one GOPATH workspace."""

    def __init__(self, goroot: Path, gopath: Path, work: Path) -> None:
        """``work`` keeps what is compiled, so that an interrupted build goes on where it was."""
        self._go = goroot / "bin/go"
        self._gopath = gopath
        self._work = work
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO"))},
            "GOROOT": str(goroot),
            "GOPATH": str(gopath),
            "GOCACHE": str(work),
            "GO111MODULE": "off",
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOENV": "off",
            "CGO_ENABLED": "0",
            "PATH": f"{goroot / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        }

    def build(self, package: str, program: Path, flags: str = "") -> None:
        """Compile one program, without debug information and without this machine's paths in it."""
        label = f"{program.name}: compiling"
        home = self._gopath / "src" / package
        asked: list[str | Path] = [self._go, "list", "-deps", "."]
        listed = self.run(asked, label=f"{program.name}: its packages", cwd=home)
        argv: list[str | Path] = [
            self._go,
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            f"-s -w {flags}",
            "-o",
            program,
            ".",
        ]
        self.run(argv, label=label, cwd=home, percent=_compiled(len(listed.splitlines())))

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        label: str,
        cwd: Path,
        percent: Callable[[str], float | None] | None = None,
    ) -> str:
        """Run a program with this Go's environment."""
        return cache.run(argv, label=label, env=self._environment, cwd=cwd, percent=percent)

    def forget(self) -> None:
        """Drop what was compiled."""
        shutil.rmtree(self._work, ignore_errors=True)


def _compiled(total: int) -> Callable[[str], float]:
    """Progress out of ``go build -v``, which names each package it compiles on a line; linking follows."""
    seen = 0

    def percent(_line: str) -> float:
        nonlocal seen
        seen += 1
        return min(99.0, 100 * seen / max(total, 1))

    return percent
