"""Certificates for tests, made with openssl: an authority, and whoever it vouches for."""

import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM; as the Secret of a tls transport holds them."""

    certificate: str
    key: str

    @property
    def secret(self) -> dict[str, str]:
        """The values of a Secret of type `kubernetes.io/tls`."""
        return {"tls.crt": self.certificate, "tls.key": self.key}

    def context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in self.secret.items():
                Path(folder, name).write_text(text)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(Path(folder, "tls.crt"), Path(folder, "tls.key"))
        return context


@dataclass(frozen=True)
class Authority(Pair):
    """A certificate that vouches for others."""

    @classmethod
    def create(cls, name: str, *names: str) -> Self:
        """A new authority, which vouches for itself; `names` as those of `vouch`."""
        also = ("-addext", f"subjectAltName={','.join(names)}") if names else ()
        with tempfile.TemporaryDirectory() as folder:
            _openssl(folder, "req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", *also, "-keyout", "key", "-out", "crt")
            return cls(Path(folder, "crt").read_text(), Path(folder, "key").read_text())

    def vouch(self, *names: str, days: int = 2) -> Pair:
        """A certificate for `names` (`DNS:carrier.example.com`, `IP:127.0.0.1`); with negative days an expired one."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "ca.crt").write_text(self.certificate)
            Path(folder, "ca.key").write_text(self.key)
            Path(folder, "names").write_text(f"subjectAltName={','.join(names)}")
            _openssl(folder, "req", *_NEW_KEY, "-subj", "/CN=peer", "-keyout", "key", "-out", "csr")
            signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "names")
            _openssl(folder, "x509", "-req", "-in", "csr", "-out", "crt", *signed)
            return Pair(Path(folder, "crt").read_text(), Path(folder, "key").read_text())


def _openssl(folder: str, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=20)
