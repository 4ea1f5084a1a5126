"""The TLS settings of all providers: made once, outside the event loop, for reading the certificates takes 20 ms."""

import asyncio
import ssl
from functools import cache


async def tls_context() -> ssl.SSLContext:
    """Return the process's own; it trusts what the machine trusts, and `SSL_CERT_FILE`."""
    return await asyncio.to_thread(_context)


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
