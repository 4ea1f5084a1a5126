"""The webhook's server: it shows the certificate that is in the files, whatever happens to them, and never ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dialplane.kube.webhook import Webhook
from testbed import ports
from testbed.certificates import Authority, Pair
from tests.eventually import eventually

NAME = "DNS:office-admission.office.svc"


def write(folder: Path, pair: Pair) -> None:
    for name, text in pair.secret.items():
        (folder / name).write_text(text)


class Serving:
    """A webhook at work, and the API server's side of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.webhook = Webhook(ports.LOOPBACK, port, folder / "tls.crt", folder / "tls.key", reread_seconds=0.05)

    async def run(self) -> None:
        async for _ in self.webhook(self._answer):
            pass

    async def _answer(self, request: Any, **_: Any) -> Any:
        return {"response": {"uid": request["request"]["uid"], "allowed": True}}

    async def asked(self, authority: Authority) -> bool:
        """Whether it answers to one who trusts that authority."""
        trust = ssl.create_default_context(cadata=authority.certificate)
        url = f"https://{ports.LOOPBACK}:{self.webhook.port}/admission"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(2)) as session,
                session.post(
                    url, json={"request": {"uid": "1"}}, ssl=trust, server_hostname=NAME.removeprefix("DNS:")
                ) as answer,
            ):
                return bool((await answer.json())["response"]["allowed"])
        except (aiohttp.ClientError, OSError):
            return False


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    with ports.lease(1) as lease:
        made = Serving(tmp_path, lease.take())
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()


async def test_a_renewed_certificate_is_shown_without_a_restart(serving: Serving, tmp_path: Path) -> None:
    first, second = Authority.create("first"), Authority.create("second")
    write(tmp_path, first.vouch(NAME))
    await eventually(lambda: serving.asked(first))
    assert not await serving.asked(second)
    write(tmp_path, second.vouch(NAME))
    await eventually(lambda: serving.asked(second))


async def test_files_that_do_not_fit_or_are_not_there_yet_are_waited_for(
    serving: Serving, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    authority = Authority.create("authority")
    pair = authority.vouch(NAME)
    assert not await serving.asked(authority)
    write(tmp_path, pair)
    await eventually(lambda: serving.asked(authority))
    write(tmp_path, Pair(pair.certificate, authority.key))
    await eventually(lambda: "webhook_unserved" in "".join(capfd.readouterr()))
    assert not await serving.asked(authority)
    write(tmp_path, pair)
    await eventually(lambda: serving.asked(authority))
