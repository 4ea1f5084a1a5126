"""A Debian archive of our own on disk, signed by a key of our own: what apt checks, it checks here too, and offline."""

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

SUITE = "bookworm"
LOADER = Path("/lib64/ld-linux-x86-64.so.2")
LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")


@dataclass(frozen=True)
class Key:
    """A signing key and the keyring that knows it."""

    home: Path
    keyring: Path

    @classmethod
    def make(cls, directory: Path, name: str) -> "Key":
        home = directory / name
        home.mkdir(mode=0o700)
        key = cls(home, directory / f"{name}.gpg")
        key.gpg("--passphrase", "", "--quick-gen-key", f"{name}@example.org", "ed25519")
        key.gpg("--output", str(key.keyring), "--export")
        return key

    def gpg(self, *arguments: str) -> None:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def close(self) -> None:
        command = ["gpgconf", "--homedir", str(self.home), "--kill", "all"]
        subprocess.run(command, check=False, capture_output=True, timeout=60)


class Archive:
    """An archive with one suite; `small` is a program and `small-libc` the library it needs."""

    def __init__(self, directory: Path, key: Key) -> None:
        self.root = directory / "archive"
        self._pool = self.root / "pool"
        self._pool.mkdir(parents=True)
        self._package(directory, "small-libc", [(LOADER, "usr/lib64"), (LIBC, "usr/lib/x86_64-linux-gnu")])
        self._package(directory, "small", [(Path("/bin/true"), "usr/bin")], depends="small-libc")
        self._index(key)

    @property
    def url(self) -> str:
        """For `DIALPLANE_DEBIAN_MIRROR`; `copy:` goes through apt's whole download, which `file:` does not."""
        return f"copy:{self.root}"

    def _package(self, work: Path, name: str, files: Sequence[tuple[Path, str]], depends: str = "") -> None:
        tree = work / name
        for source, folder in files:
            (tree / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / folder / source.name)
        control = [f"Package: {name}", "Version: 1.0", "Architecture: amd64", "Maintainer: Tests <tests@example.org>"]
        control += [f"Depends: {depends}"] if depends else []
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN" / "control").write_text("\n".join([*control, "Description: for tests", ""]))
        command = ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(self._pool / f"{name}_1.0_amd64.deb")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def _index(self, key: Key) -> None:
        suite = self.root / "dists" / SUITE
        binary = suite / "main" / "binary-amd64"
        binary.mkdir(parents=True)
        stanzas = [self._stanza(deb) for deb in sorted(self._pool.glob("*.deb"))]
        (binary / "Packages").write_text("\n".join(stanzas))
        (binary / "Packages.gz").write_bytes(gzip.compress((binary / "Packages").read_bytes()))
        sums = [
            f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} {path.relative_to(suite)}"
            for path in sorted(binary.iterdir())
        ]
        head = [f"Origin: Debian\nSuite: {SUITE}\nCodename: {SUITE}", f"Date: {formatdate(usegmt=True)}"]
        release = [*head, "Architectures: amd64", "Components: main", "SHA256:", *sums, ""]
        (suite / "Release").write_text("\n".join(release))
        key.gpg("--output", str(suite / "InRelease"), "--clearsign", str(suite / "Release"))

    def _stanza(self, deb: Path) -> str:
        command = ["dpkg-deb", "--field", str(deb)]
        control = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        data = deb.read_bytes()
        where = deb.relative_to(self.root)
        return f"{control}Filename: {where}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
