"""ARI on a real Asterisk: who is let in, what is heard of it, and how it comes back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import LogCaptureFixture, TempPathFactory  # noqa: PT013 -- the types' only public place

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.ari_http import at_origin
from dialplane.asterisk.ari_objects import AriApplication, AriEvent, StasisEnd, StasisStart
from dialplane.asterisk.errors import ApplicationTaken, AuthenticationRefused, NotThere, Unreachable
from dialplane.asterisk.media import MediaSocket
from testbed import bootstrap
from testbed.asterisk import AsteriskInstance
from testbed.bootstrap import Account
from testbed.ports import LOOPBACK, lease
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "p&%41+/?#=:ü" + "\x27s"
USER = "ari+us&er"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    """One whose ARI has an account that no address could carry."""
    directory: Path = tmp_path_factory.mktemp("ari")
    account = Account(USER, PASSWORD)
    instance = AsteriskInstance(directory, bootstrap_files=lambda each: bootstrap.render(replace(each, ari=account)))
    async with instance:
        yield instance


@asynccontextmanager
async def connected(url: str, password: str = PASSWORD, limit: float = 2.0) -> AsyncIterator[Ari]:
    async with Ari.connect(url, USER, SecretStr(password), limit=limit) as ari:
        yield ari


class Opened:
    """An application that is kept open."""

    def __init__(self, ari: Ari, name: str) -> None:
        self.reasons: list[str] = []
        self.events: list[AriEvent] = []
        self.task = asyncio.create_task(ari.keep_open(name, self._handle, self.reasons.append))

    async def _handle(self, event: AriEvent) -> None:
        self.events.append(event)

    async def until(self, holds: Callable[[list[str]], object]) -> list[str]:
        return await eventually(lambda: self.reasons, holds=holds, why=lambda: self.task)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_an_application_is_open_and_its_events_come_with_an_account_of_odd_characters(
    asterisk: AsteriskInstance, caplog: LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # every library's, too
    async with connected(asterisk.ari_url) as ari:
        opened = Opened(ari, "events")
        await opened.until(lambda reasons: reasons == [""])
        channel, key = await ari.external_media("events", "dpbot-test-1")
        async with MediaSocket.connect(asterisk.ari_url, key):
            await eventually(lambda: opened.events)
            came = replace(channel, running="Stasis", variables=None)
            assert opened.events == [StasisStart(came, ())]
            await ari.set_variable(channel.id, "DIALPLANE_NEXT", "a,b&c=d")
            assert await ari.applications() == (AriApplication("events", (channel.id,)),)
            await ari.hang_up(channel.id)
            await eventually(lambda: opened.events[1:])
        assert opened.events[1:] == [StasisEnd(came)]
        await ari.hang_up(channel.id)  # gone: no error
        with pytest.raises(NotThere):
            await ari.continue_in_dialplan(channel.id)
        await opened.close()
    text = caplog.text + "".join(f"{vars(record)}" for record in caplog.records)
    assert "aio" in text, "the libraries' own lines are looked at"
    assert PASSWORD[:4] not in text
    assert "api_key" not in text


async def test_a_wrong_password_is_refused_in_words_that_do_not_show_it(
    asterisk: AsteriskInstance, caplog: LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connected(asterisk.ari_url, "wrong&p") as ari:
        with pytest.raises(AuthenticationRefused, match=r"compare ari\.conf") as refused:
            await ari.channels()
        opened = Opened(ari, "refused")
        reasons = await opened.until(bool)
        await opened.close()
    assert "wrong" not in f"{refused.value!r} {refused.value.__cause__!r} {reasons} {caplog.text}"


async def test_who_opens_the_same_application_takes_it_over_and_the_first_one_hears_of_it(
    asterisk: AsteriskInstance,
) -> None:
    async with connected(asterisk.ari_url) as first, connected(asterisk.ari_url) as second:
        one = Opened(first, "taken")
        await one.until(bool)
        other = Opened(second, "taken")
        await other.until(bool)
        with pytest.raises(ApplicationTaken, match="another program has opened taken"):
            await asyncio.wait_for(one.task, 10)
        _, key = await second.external_media("taken", "dpbot-test-2")
        async with MediaSocket.connect(asterisk.ari_url, key):
            await eventually(lambda: other.events)
        assert not one.events
        await other.close()


async def test_an_application_whose_socket_is_cut_is_opened_again(asterisk: AsteriskInstance) -> None:
    async with connected(asterisk.ari_url) as ari:
        opened = Opened(ari, "cut")
        await opened.until(bool)
        ari.sever()
        reasons = await opened.until(lambda reasons: len(reasons) >= 3)
        assert [bool(reason) for reason in reasons[:3]] == [False, True, False]
        await opened.close()


async def test_an_application_is_open_again_after_asterisk_was_started_again(asterisk: AsteriskInstance) -> None:
    async with connected(asterisk.ari_url) as ari:
        opened = Opened(ari, "again")
        await opened.until(bool)
        await asterisk.restart(limit_seconds=0)
        await opened.until(lambda reasons: reasons[-1] == "" and len(reasons) > 1)
        _, key = await ari.external_media("again", "dpbot-test-3")
        async with MediaSocket.connect(asterisk.ari_url, key):
            await eventually(lambda: opened.events)
        await opened.close()


async def test_what_does_not_answer_or_is_no_ari_is_one_clear_error() -> None:
    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    with lease(3) as ports:
        closed, silent, foreign = ports.take(), ports.take(), ports.take()
        servers = [
            await asyncio.start_server(handle, LOOPBACK, port) for handle, port in ((mute, silent), (other, foreign))
        ]
        expected = {closed: "does not answer", silent: "within 0.2 s", foreign: "is no ARI"}
        for port, words in expected.items():
            async with connected(f"http://{LOOPBACK}:{port}", limit=0.2 if port == silent else 5) as ari:
                with pytest.raises((Unreachable, TimeoutError, Exception), match=words):
                    await ari.channels()
        for writer in writers:
            writer.close()
        for server in servers:
            server.close()


@pytest.mark.parametrize(
    ("url", "base", "web_socket", "expected"),
    [
        pytest.param("http://pbx/ari/channels", "https://pbx:8089", False, "https://pbx:8089/ari/channels", id="TLS"),
        pytest.param("ws://pbx/ari/events", "https://pbx:8089", True, "wss://pbx:8089/ari/events", id="socket, TLS"),
        pytest.param(
            "http://x/ari/a%2Fb", "http://192.0.2.1:8088", False, "http://192.0.2.1:8088/ari/a%2Fb", id="escaped"
        ),
    ],
)
async def test_every_request_goes_to_the_address_of_the_manifest(
    url: str, base: str, web_socket: bool, expected: str
) -> None:
    assert at_origin(url, base, web_socket=web_socket) == expected
