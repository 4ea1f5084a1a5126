"""Where the API server reaches the admission handler: kopf's HTTPS server, with a certificate that may be renewed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import kopf
import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """The address and the certificate; kopf calls it as the server of `settings.admission.server`."""

    host: str
    """An address of this machine; empty: all of them."""
    port: int
    certificate: Path
    """PEM, with the name that the API server calls."""
    key: Path
    reread_seconds: float = 10.0
    """How often the files are looked at."""

    async def __call__(self, fn: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
        """Serve until cancelled, with the files as they are; nobody answers while they do not fit each other."""
        logged = ""
        while True:
            server = kopf.WebhookServer(
                addr=self.host or None,
                port=self.port,
                host=self.host or "localhost",
                certfile=self.certificate,
                pkeyfile=self.key,
                file_check_interval=self.reread_seconds,
            )
            try:
                async for config in server(fn):
                    logged = ""
                    log.info("webhook_serves", port=self.port)
                    yield config
            except OSError as error:
                if logged != str(error):
                    logged = str(error)
                    cure = f"mend {self.certificate} and {self.key}, or the address"
                    log.error("webhook_unserved", error=logged, cure=cure)  # noqa: TRY400 -- the message is all
            await asyncio.sleep(self.reread_seconds)
