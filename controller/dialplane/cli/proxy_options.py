"""The option that names the proxies before a listener."""

from ipaddress import ip_network
from typing import Annotated

import typer

from dialplane.cli.errors import Unusable

TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        metavar="NETWORK",
        help="An address or a network of proxies before this process, whose X-Forwarded-For says where a request comes"
        " from; may be given several times.",
    ),
]


def proxies(given: list[str] | None) -> tuple[str, ...]:
    """The networks of the proxies.

    Raises:
        Unusable: one is no network.
    """
    try:
        return tuple(str(ip_network(text)) for text in given or ())
    except ValueError as error:
        raise Unusable(f"--trusted-proxy: {error}") from None
