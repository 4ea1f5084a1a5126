"""Yardstick: ``python -m bench.bare_sockets PORT`` answers every message of every device, and does nothing else.

It asks for no token and keeps no session: the server of the `websockets` library, as its documents show it.
"""

import asyncio
import contextlib
import resource
import sys
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from testbed.ports import LOOPBACK


async def _answer(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _message in connection:
            await connection.send('{"type":"pong"}')


async def _serve(port: int) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with serve(_answer, LOOPBACK, port, ping_interval=None, compression=None, backlog=1024) as server:
        await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    asyncio.run(_serve(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
