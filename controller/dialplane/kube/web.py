"""Where the operator serves its probes and metrics."""

import socket

from dialplane.api import server
from dialplane.kube.errors import FatalError


def listen(address: str) -> socket.socket:
    """A listening socket for `HOST:PORT`.

    Raises:
        FatalError: the address cannot be had.
    """
    try:
        return server.listen(address)
    except server.CannotListen as error:
        raise FatalError(f"{error}; set another one with --metrics-address") from error
