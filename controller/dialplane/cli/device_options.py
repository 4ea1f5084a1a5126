"""The options that say where devices connect."""

from pathlib import Path
from typing import Annotated

import typer

from dialplane.api.certificate import BadCertificate, Certificate
from dialplane.cli.errors import Unusable
from dialplane.services.contract import SocketOptions

LISTEN_HELP = "Take the WebSockets of devices there, once the site has any; '' nowhere."

TlsCertificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate",
        metavar="FILE",
        help="The certificate for devices, PEM with its chain; read again when it is renewed. Without it there is no"
        " TLS, as behind an ingress.",
    ),
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The key of that certificate, PEM.")]


def device_sockets(
    option: str, listen: str, certificate: Path | None, key: Path | None, trusted_proxies: tuple[str, ...]
) -> SocketOptions:
    """Check where devices connect; `option` is what says so.

    Raises:
        Unusable: with what is wrong.
    """
    port = listen.rpartition(":")[2]
    if listen and not (":" in listen and port.isascii() and port.isdigit() and int(port) <= 65_535):  # noqa: PLR2004 -- the last port
        raise Unusable(f"{option} {listen}: it must be HOST:PORT, or :PORT for all addresses")
    if (certificate is None) is not (key is None):
        raise Unusable("give --tls-certificate and --tls-key together: the one is the other's")
    if certificate is not None and key is not None:
        try:
            Certificate(certificate, key)
        except BadCertificate as error:
            raise Unusable(str(error)) from None
    return SocketOptions(listen, certificate, key, trusted_proxies)
