"""A speech provider as tests see it: started, steered and stopped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK

Kind = Literal["elevenlabs", "openai", "doubao", "chat"]


class SpeechPeer(PeerProcess):
    """A provider; ``url`` is what goes into a manifest. Its commands are listed in :mod:`testbed.speech`."""

    kind: Kind = "elevenlabs"
    scheme = "http"

    @classmethod
    async def start(
        cls, kind: Kind, directory: Path, *, key: str, port: int = 0, certificate: Path | None = None
    ) -> Self:
        """Start one.

        Args:
            kind: which.
            directory: for its log.
            key: the one that it takes.
            port: where it listens; 0 takes any.
            certificate: a file with a certificate and its key; it speaks TLS then.
        """
        tls = {} if certificate is None else {"certificate": str(certificate)}
        peer = await cls.launch(
            f"speech.{kind}",
            directory / f"{kind}.log",
            {"listen": f"{LOOPBACK}:{port}", **tls},
            name=kind,
            environment={"SPEECH_KEY": key},
        )
        peer.kind, peer.scheme = kind, "https" if tls else "http"
        return peer

    @property
    def url(self) -> str:
        """Where it is."""
        paths: Mapping[Kind, str] = {"openai": "/v1", "chat": "/v1", "doubao": "/api/v3/realtime/dialogue"}
        return f"{self.scheme}://{LOOPBACK}:{self.address[1]}{paths.get(self.kind, '')}"

    async def script(self, *texts: str) -> None:
        """What callers will have said."""
        await self.ask("script", texts=texts)

    async def replies(self, *replies: Mapping[str, Any]) -> None:
        """What the model answers."""
        await self.ask("replies", replies=replies)

    async def behave(self, answer: str, *, at: str, after: float = 0.0, times: int = 0) -> None:
        """Misbehave from now on."""
        await self.ask("behave", answer=answer, at=at, after=after, times=times)

    async def forget(self) -> None:
        """Be as new."""
        await self.ask("forget")

    async def messages(self, kind: str = "") -> list[dict[str, Any]]:
        """What it was sent, all or of one type."""
        sent: list[dict[str, Any]] = (await self.ask("messages"))["messages"]
        return [each for each in sent if kind in {"", each["type"]}]

    async def counts(self) -> dict[str, int]:
        """Connections and requests."""
        return await self.ask("counts")
