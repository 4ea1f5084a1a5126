"""The keys of one API server: its own authority, its serving certificate, its ServiceAccount key.

Made with openssl, which every machine with apt has, so that the test bed needs no Python package
for it. The extensions are those that strict clients ask for: Python 3.13 verifies with
``VERIFY_X509_STRICT``, which wants key identifiers, and Go reads names from subjectAltName only.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed.cache import BuildError

_DAYS = "3650"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_SERVING = """\
subjectAltName=IP:127.0.0.1,DNS:localhost
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


@dataclass(frozen=True)
class Certificates:
    """Files in PEM format."""

    authority: Path
    server_certificate: Path
    server_key: Path
    service_account_key: Path


def make(directory: Path) -> Certificates:
    """Write new keys and certificates for 127.0.0.1 into ``directory``, which only we may read.

    Raises:
        BuildError: openssl is missing or fails.
    """
    authority, authority_key = directory / "ca.crt", directory / "ca.key"
    request, extensions = directory / "server.csr", directory / "server.ext"
    made = Certificates(authority, directory / "server.crt", directory / "server.key", directory / "sa.key")
    extensions.write_text(_SERVING)
    _openssl(
        "req", "-x509", *_NEW_KEY, "-keyout", authority_key, "-out", authority, "-days", _DAYS,
        "-subj", "/CN=dialplane-testbed", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    _openssl("req", *_NEW_KEY, "-keyout", made.server_key, "-out", request, "-subj", "/CN=kube-apiserver")
    _openssl(
        "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
        "-days", _DAYS, "-extfile", extensions, "-out", made.server_certificate,
    )  # fmt: skip
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", made.service_account_key)
    return made


def _openssl(*arguments: str | Path) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise BuildError("openssl is not on this machine: install the package openssl") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"openssl {arguments[0]} failed: {error.stderr.strip()}") from error
