"""The certificate of a listener, read again when its files change: it may be renewed at any time."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("dialplane.api")

LOOK_SECONDS: Final = 10.0


class BadCertificate(Exception):
    """The files are none: one line with the reason and the cure."""


class Certificate:
    """A certificate with its key; `context` is what connections use that begin from now on."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read the files, both PEM, the certificate with its chain.

        Raises:
            BadCertificate: they cannot be used.
        """
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamps()
        self._load()

    async def keep_current(self) -> None:
        """Follow the files until cancelled; while they do not fit each other, the ones before stay in use."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if (stamps := self._stamps()) == self._seen:
                    continue
                self._seen = stamps
                self._load()
                log.info("certificate read", certificate=str(self._files[0]))
            except BadCertificate as error:
                log.error("certificate not read", reason=str(error))  # noqa: TRY400 -- the message is all

    def _stamps(self) -> list[tuple[int, int, int]]:
        try:
            return [(about.st_ino, about.st_mtime_ns, about.st_size) for path in self._files for about in [path.stat()]]
        except OSError as error:
            raise BadCertificate(f"cannot read {error.filename}: {error.strerror}") from None

    def _load(self) -> None:
        certificate, key = self._files
        try:
            # First into a context that nobody uses: half of a pair would stay in the one in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
            self.context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "it is no PEM"
            raise BadCertificate(
                f"{certificate} and {key} are no certificate with its key, both PEM: {reason}"
            ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted: give one that is not")
