"""Programs of another Debian suite, unpacked beside the machine's own and run in place.

Debian 12 has no Asterisk; ``forky`` has 22. Rather than a chroot, which needs root and runs
maintainer scripts, a *private* apt (own state, own cache, own sources) resolves and downloads, and
``dpkg -x`` unpacks every package into one tree. The tree's programs run through the tree's own
loader (:func:`command`), so their C library need not match the machine's.

The mirror, the proxy and the certificates are those of the machine's own apt (``apt-config dump``,
``apt-get indextargets``); signatures are always checked, against the machine's Debian keyring, even
if the machine itself is lax. ``$DIALPLANE_DEBIAN_MIRROR`` and ``$DIALPLANE_DEBIAN_KEYRING`` override
both, for a machine that is no Debian. Everything is kept in the cache and works offline afterwards.

Sources: apt.conf(5), sources.list(5), apt-get(8) (``indextargets``), ld.so(8).
"""

import getpass
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import cache, container

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MANIFEST = "packages.txt"
# The machine's download settings are taken over; what weakens signatures, or concerns its own lists, is not.
_NOT_INHERITED = re.compile(
    r"Acquire::(Allow\w*|Index\w*|Languages|Changelogs|CompressionTypes|cdrom)\b", re.IGNORECASE
)
_INHERITED = re.compile(r"Acquire::\S+ ")


class DebianError(cache.BuildError):
    """This machine cannot fetch Debian packages; the message says which of its settings to change."""


def architecture() -> str:
    """Debian's name of this machine's architecture, such as ``amd64``."""
    return _output("dpkg", "--print-architecture").strip()


def mirror() -> str:
    """The base URL of a Debian archive, from the environment or the machine's apt configuration.

    Raises:
        DebianError: apt is not here, or none of its sources is a Debian archive.
    """
    if chosen := os.environ.get("DIALPLANE_DEBIAN_MIRROR"):
        return chosen.rstrip("/")
    found = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(ORIGIN)|$(LABEL)")
    candidates: list[str] = []
    for line in found.splitlines():
        uri, component, described = line.split(" ", 2)
        # Origin and label are known only after the machine's own `apt-get update`; else the path must do.
        labelled = described in {"Debian|Debian", "$(ORIGIN)|$(LABEL)", "|"}
        if component == "main" and labelled and re.search(r"/debian/?$", uri):
            candidates.insert(0 if described == "Debian|Debian" else len(candidates), uri.rstrip("/"))
    if not candidates:
        raise DebianError(
            "apt on this machine names no Debian archive: set DIALPLANE_DEBIAN_MIRROR to the URL of one "
            "(and DIALPLANE_DEBIAN_KEYRING to the Debian archive keyring)"
        )
    return candidates[0]


def keyring() -> Path:
    """The keyring that every download is checked against."""
    path = Path(os.environ.get("DIALPLANE_DEBIAN_KEYRING", _KEYRING))
    if not path.is_file():
        raise DebianError(
            f"no Debian keyring at {path}: install debian-archive-keyring, or set DIALPLANE_DEBIAN_KEYRING"
        )
    return path


@dataclass(frozen=True)
class PrivateApt:
    """An apt that knows one suite and nothing installed, and touches nothing of the machine's own."""

    suite: str
    directory: Path

    def prepare(self) -> None:
        """Write its configuration and fetch the signed package lists of the suite."""
        for part in ("lists/partial", "archives/partial", "none"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        entry = f"[signed-by={keyring()} arch={architecture()}] {mirror()} {self.suite} main\n"
        (self.directory / "sources.list").write_text(f"deb {entry}deb-src {entry}")
        self._configuration.write_text(self.settings())
        # Any error, a failed signature above all, ends it; apt would otherwise go on with older lists.
        self.get("update", label=f"Debian {self.suite}: package lists", options=["APT::Update::Error-Mode=any"])

    def get(self, *arguments: str, label: str, options: Sequence[str] = (), cwd: Path | None = None) -> str:
        """Run ``apt-get`` with this configuration; shows the download's percentage."""
        settings = [part for option in ("APT::Status-Fd=1", *options) for part in ("-o", option)]
        argv = ["apt-get", "-q", "-y", *settings, *arguments]
        return cache.run(argv, label=label, env=self._environment, percent=_apt_percent, cwd=cwd)

    def show(self, *packages: str) -> str:
        """The newest control stanza of each package."""
        return cache.run(
            ["apt-cache", "show", "--no-all-versions", *packages],
            label=f"Debian {self.suite}: versions",
            env=self._environment,
        )

    @property
    def archives(self) -> Path:
        """Where downloaded packages stay."""
        return self.directory / "archives"

    @property
    def _configuration(self) -> Path:
        return self.directory / "apt.conf"

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self._configuration), "LC_ALL": "C.UTF-8"}

    def settings(self) -> str:
        """The whole apt.conf: the machine's download settings, then what keeps this apt apart and strict."""
        machine = [
            line
            for line in _output("apt-config", "dump").splitlines()
            if _INHERITED.match(line) and not _NOT_INHERITED.match(line) and not line.endswith(' "";')
        ]
        directory = self.directory
        own = {
            # No apt.conf of the machine is read, so none of its hooks runs; its netrc is (mirror passwords).
            "Dir::Etc::main": directory / "none" / "apt.conf",
            "Dir::Etc::parts": directory / "none",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": directory / "none",
            "Dir::Etc::preferences": directory / "none" / "preferences",
            "Dir::Etc::preferencesparts": directory / "none",
            "Dir::Etc::trusted": directory / "none" / "trusted.gpg",
            "Dir::Etc::trustedparts": directory / "none",
            "Dir::State": directory,
            "Dir::State::lists": directory / "lists/",
            "Dir::State::status": directory / "status",
            "Dir::Cache": directory,
            "Dir::Cache::archives": directory / "archives/",
            "Dir::Log": directory,
            "Acquire::Languages": "none",
            "Acquire::AllowInsecureRepositories": "0",
            "Acquire::AllowWeakRepositories": "0",
            "Acquire::AllowDowngradeToInsecureRepositories": "0",
            "APT::Get::AllowUnauthenticated": "0",
            "APT::Install-Recommends": "0",
            "APT::Architecture": architecture(),
            # apt's own sandbox user cannot enter a home directory; stay who we are.
            "APT::Sandbox::User": getpass.getuser(),
        }
        return "\n".join([*machine, *(f'{name} "{value}";' for name, value in own.items()), ""])


def tree(
    name: str,
    suite: str,
    packages: Sequence[str],
    *,
    dependencies: bool = True,
    recommends: bool = False,
    exclude: Sequence[str] = (),
) -> Path:
    """The root directory of an unpacked Debian tree; fetched and unpacked on the first call.

    Args:
        name: what the tree is for; part of its directory's name.
        suite: such as ``forky``, ``sid`` or ``bullseye``.
        packages: binary packages of ``main``.
        dependencies: also all that they depend on, down to the C library (needed to run
            programs by :func:`command`); False unpacks exactly ``packages``.
        recommends: also what they recommend.
        exclude: dependencies that are known not to be needed.

    No maintainer script runs: there are no users, no alternatives, no caches. ``/bin``, ``/lib`` and
    their kin are links into ``/usr``, and absolute links are made relative, so that they stay inside
    the tree. ``packages.txt`` in the root lists what was unpacked.

    Raises:
        BuildError: download, signature check or unpacking failed.
    """
    key = repr((sorted(packages), dependencies, recommends, sorted(exclude)))
    relative = f"debian/trees/{name}-{suite}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"

    def build(target: Path) -> None:
        if shutil.which("apt-get") is None and dependencies and (engine := container.engine()):
            _merge_usr(target)
            container.unpack(
                engine, suite, [*packages, *(f"{name}-" for name in exclude)], target, recommends=recommends
            )
            _keep_links_inside(target)
            return
        with cache.lock(f"debian-{suite}"):
            apt = _private_apt(suite)
            if dependencies:
                debs = _download_closure(apt, packages, recommends=recommends, exclude=exclude)
            else:
                debs = _download_exactly(apt, packages)
            _unpack(debs, target, f"Debian {suite}: unpacking {len(debs)} packages for {name}")

    return cache.artefact(relative, build)


def source(package: str, suite: str) -> Path:
    """The unpacked, patched source of ``package``; apt checks the chain from signature to file hashes.

    Raises:
        BuildError: download, signature check or unpacking failed, or ``dpkg-source`` is not installed.
    """
    if shutil.which("dpkg-source") is None:
        raise DebianError("dpkg-source is not installed: install the package dpkg-dev")

    def build(target: Path) -> None:
        with cache.lock(f"debian-{suite}"):
            apt = _private_apt(suite)
            label = f"Debian {suite}: source of {package}"
            downloads = apt.directory / "sources" / package
            downloads.mkdir(parents=True, exist_ok=True)
            apt.get("source", "--download-only", package, label=label, cwd=downloads)
            newest = max(downloads.glob("*.dsc"), key=lambda path: path.stat().st_mtime)
            argv: list[str | Path] = ["dpkg-source", "--no-copy", "--extract", newest, target / "source"]
            cache.run(argv, label=f"{label}: unpacking", cwd=downloads)

    return cache.artefact(f"debian/sources/{package}-{suite}", build) / "source"


def command(root: Path, program: str, *arguments: str, libraries: Sequence[str] = ()) -> list[str]:
    """The argument vector that runs ``program`` (such as ``usr/sbin/asterisk``) of an unpacked tree.

    The tree's own loader starts it with the tree's libraries; ``libraries`` are further directories
    inside the tree. Children that the program starts by path use the machine's loader again.
    """
    loaders = [path for pattern in ("lib64/ld-linux*.so*", "lib/ld-linux*.so*") for path in root.glob(f"usr/{pattern}")]
    loaders += root.glob("usr/lib/*-linux-gnu*/ld-linux*.so*")
    if not loaders:
        raise DebianError(f"{root} has no loader: was it unpacked without dependencies?")
    return [
        str(loaders[0]),
        "--inhibit-cache",
        "--library-path",
        library_path(root, *libraries),
        str(root / program),
        *arguments,
    ]


def library_path(root: Path, *further: str) -> str:
    """The tree's library directories, for ``--library-path``; ``further`` are relative to ``root``."""
    multiarch = sorted(path for path in root.glob("usr/lib/*-linux-gnu*") if path.is_dir())
    return ":".join(str(path) for path in (*multiarch, root / "usr/lib", *(root / part for part in further)))


def _private_apt(suite: str) -> PrivateApt:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DebianError(
            "neither apt-get and dpkg-deb nor a running container engine (docker, podman) is on this machine"
        )
    apt = PrivateApt(suite, cache.root() / "debian" / "apt" / suite)
    apt.prepare()
    return apt


_Debs = dict[str, Path]


def _download_closure(apt: PrivateApt, packages: Sequence[str], *, recommends: bool, exclude: Sequence[str]) -> _Debs:
    options = [f"APT::Install-Recommends={int(recommends)}"]
    wanted = ["install", *packages, *(f"{name}-" for name in exclude)]
    simulated = apt.get("--simulate", *wanted, label=f"Debian {apt.suite}: resolving", options=options)
    chosen = re.findall(r"^Inst (\S+) \((\S+) .*?\[(\w+)\]\)", simulated, re.MULTILINE)
    label = f"Debian {apt.suite}: downloading {len(chosen)} packages"
    apt.get("--download-only", *wanted, label=label, options=options)
    return _files(apt.archives, [(name.partition(":")[0], version, arch) for name, version, arch in chosen])


def _download_exactly(apt: PrivateApt, packages: Sequence[str]) -> _Debs:
    apt.get(
        "download",
        *packages,
        label=f"Debian {apt.suite}: downloading {', '.join(packages)}",
        cwd=apt.archives,
    )
    stanzas = apt.show(*packages).split("\n\n")
    fields = [dict(re.findall(r"^(Package|Version|Architecture): (.*)$", text, re.MULTILINE)) for text in stanzas]
    return _files(apt.archives, [(each["Package"], each["Version"], each["Architecture"]) for each in fields if each])


def _files(archives: Path, chosen: Sequence[tuple[str, str, str]]) -> _Debs:
    """Apt names its files NAME_VERSION_ARCH.deb, with the epoch's colon as ``%3a``."""
    found: _Debs = {}
    for name, version, arch in chosen:
        path = archives / f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
        if not path.is_file():
            raise DebianError(f"apt did not download {path.name}")
        found[path.name] = path
    return found


def _unpack(debs: _Debs, target: Path, label: str) -> None:
    cache.progress(label)
    _merge_usr(target)
    for path in debs.values():
        archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE)
        # dpkg -x would replace the links above by the package's directories (packages before usr-merge).
        extract: list[str | Path] = [
            "tar",
            "-x",
            "-C",
            target,
            "--keep-directory-symlink",
            "--no-same-owner",
            "--delay-directory-restore",
        ]
        unpacked = subprocess.run(extract, stdin=archive.stdout, check=False, capture_output=True, text=True)
        if archive.stdout is not None:
            archive.stdout.close()
        if archive.wait() != 0 or unpacked.returncode != 0:
            raise DebianError(f"{path.name} does not unpack: {unpacked.stderr.strip()}")
    _keep_links_inside(target)
    (target / _MANIFEST).write_text("".join(f"{name}\n" for name in sorted(debs)))


def _merge_usr(target: Path) -> None:
    for directory in ("bin", "sbin", "lib", "lib64"):
        (target / "usr" / directory).mkdir(parents=True)
        (target / directory).symlink_to(f"usr/{directory}")


def _keep_links_inside(target: Path) -> None:
    """An absolute link means the tree's own root; make it relative, so that it works without a chroot."""
    for directory, subdirectories, files in os.walk(target):
        for name in (*subdirectories, *files):
            path = Path(directory, name)
            if path.is_symlink() and (aim := path.readlink()).is_absolute():
                path.unlink()
                path.symlink_to(os.path.relpath(f"{target}{aim}", path.parent))


def _apt_percent(line: str) -> float | None:
    """Read apt's status lines, ``dlstatus:N:PERCENT:TEXT``."""
    match = re.match(r"dlstatus:\d+:([0-9.]+):", line)
    return float(match[1]) if match else None


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise DebianError(f"{argv[0]} is not on this machine: is it a Debian?") from error
    except subprocess.CalledProcessError as error:
        raise DebianError(f"{' '.join(argv)} failed: {error.stderr.strip()}") from error
