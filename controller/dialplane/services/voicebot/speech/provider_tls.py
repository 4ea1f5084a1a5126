"""The TLS of all providers: its settings, made once, outside the event loop (reading the certificates takes 20 ms)."""

import asyncio
import socket
import ssl
from functools import cache


def no_connection(error: BaseException | None) -> str:
    """Say why there is no connection, in our own words."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return "its certificate is not trusted here"
        if isinstance(error, ssl.SSLError):
            return "no TLS"
        if isinstance(error, socket.gaierror):
            return "its name is unknown here"
        error = error.__cause__ or error.__context__
    return "no connection"


async def tls_context() -> ssl.SSLContext:
    """Return the process's own; it trusts what the machine trusts, and `SSL_CERT_FILE`."""
    return await asyncio.to_thread(_context)


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
