"""A TCP proxy that a test can cut, count by, and listen at."""

import asyncio
import json
from pathlib import Path


class Proxy:
    """Between a client and a server on loopback.

    Cut, its open connections end and new ones are refused until it is mended. Where nobody listens behind it, clients
    are refused too.
    """

    def __init__(self, url: str) -> None:
        self._host, _, port = url.rpartition("/")[2].rpartition(":")
        self._target = int(port)
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0
        self.said = bytearray()
        """What the clients sent."""

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there_reader, there_writer = await asyncio.open_connection(self._host, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer, self.said), _pump(there_reader, writer))
        self._writers -= {writer, there_writer}

    def kubeconfig(self, original: Path) -> Path:
        """The same, for clients that shall come this way."""
        return redirected(original, self.port)


def redirected(original: Path, port: int) -> Path:
    """A kubeconfig beside the original one that leads to another port of this machine."""
    content = json.loads(original.read_text())
    content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = original.with_name(f"{original.name}-proxied-{port}")
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return path


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray | None = None) -> None:
    try:
        while data := await reader.read(65536):
            if copy is not None:
                copy += data
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
