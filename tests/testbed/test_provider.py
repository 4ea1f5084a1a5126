"""The provider peer, over its sockets."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import h11
import httpx
import pytest
import pytest_asyncio

from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN, SECRET = "token-of-the-test-bed", "secret-of-callbacks-01"


class Listener:
    """Where callbacks arrive; answers with the codes that it is given, then 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.codes: list[int] = []
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"

    def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def arrived(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(self.requests) < count:
                self._came.clear()
                await self._came.wait()
        return [json.loads(body) for _, body in self.requests]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http, headers, body = h11.Connection(h11.SERVER), dict[str, str](), b""
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
        self.requests.append((headers, body))
        self._came.set()
        code = self.codes.pop(0) if self.codes else 200
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    account = Account(token=TOKEN, tenant="1", secret=SECRET, numbers=("8001-8003",))
    async with await InfinityPeer.start(tmp_path_factory.mktemp("infinity"), account) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def peer(running: InfinityPeer, listener: Listener) -> InfinityPeer:
    await running.forget()
    await running.account(url=await listener.open(), progress=False)
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as made:
        yield made


def form(**changes: str | None) -> dict[str, str]:
    fields: dict[str, str | None] = {
        "service": "App.Sip_Call.MakeCall",
        "token": TOKEN,
        "extnumber": "8001",
        "destnumber": "+15550101",
        "disnumber": "+15550100",
        "userid": "agent-7",
        "customuuid": "case-9",
        "memberid": "call-0123456789abcdef0123",
        "chengshudu": "",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


async def ask(client: httpx.AsyncClient, peer: InfinityPeer, **changes: str | None) -> dict[str, Any]:
    return dict((await client.post(peer.url, data=form(**changes))).raise_for_status().json())


async def test_a_call_is_taken_and_its_record_comes_back_signed(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener
) -> None:
    said = await ask(client, peer)
    assert (said["ret"], said["data"]["status"], said["msg"]) == (200, 0, "")
    (record,) = await listener.arrived(1)
    assert {name: record[name] for name in ("memberid", "extnumber", "destnumber", "disnumber", "crmid")} == {
        "memberid": "call-0123456789abcdef0123",
        "extnumber": "8001",
        "destnumber": "+15550101",
        "disnumber": "+15550100",
        "crmid": "agent-7",
    }
    assert (record["customuuid"], record["hangupcause"], record["type"]) == ("case-9", 16, "callout")
    assert record["answertime"]
    headers, body = listener.requests[0]
    signed = hmac.new(SECRET.encode(), headers["x-timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["x-signature"] == f"sha256={signed.hexdigest()}"


@pytest.mark.parametrize(
    ("changes", "ret", "words"),
    [
        ({"token": "another"}, 401, "token is wrong"),
        ({"extnumber": "8004"}, 400, "extnumber is not yours"),
        ({"destnumber": None}, 400, "missing: destnumber"),
        ({"destnumber": "5550101;x"}, 400, "destnumber is no number"),
        ({"surprise": "1"}, 400, "unknown: surprise"),
        ({"service": "App.Other"}, 400, "no such service"),
        ({"userid": "x" * 300}, 400, "too long: userid"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said_and_nobody_is_called(
    client: httpx.AsyncClient, peer: InfinityPeer, changes: dict[str, str | None], ret: int, words: str
) -> None:
    said = await ask(client, peer, **changes)
    assert (said["ret"], said["msg"]) == (ret, words)
    counts = await peer.counts()
    assert (counts["requests"], counts["refused"], counts["taken"]) == (1, 1, 0)
    assert TOKEN not in json.dumps(await peer.requests())


@pytest.mark.parametrize(
    ("script", "code", "ret", "status"),
    [
        ({"answer": "refuse", "code": 407, "words": "no balance"}, 200, 407, None),
        ({"answer": "status", "code": 3, "words": "busy"}, 200, 200, 3),
        ({"answer": "error", "code": 502}, 502, None, None),
        ({"answer": "redirect"}, 307, None, None),
        ({"answer": "garbage"}, 200, None, None),
    ],
)
async def test_an_answer_is_what_the_script_says(
    client: httpx.AsyncClient,
    peer: InfinityPeer,
    script: dict[str, Any],
    code: int,
    ret: int | None,
    status: int | None,
) -> None:
    await peer.behave(**script)
    answer = await client.post(peer.url, data=form())
    assert answer.status_code == code
    if ret is None:
        with pytest.raises(ValueError, match=r"."):
            answer.json()
    else:
        assert answer.json()["ret"] == ret
        assert answer.json()["data"].get("status") == status
    assert (await peer.counts())["taken"] == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [("half", httpx.RemoteProtocolError), ("cut", httpx.TransportError), ("silent", httpx.ReadTimeout)],
)
async def test_an_answer_that_does_not_come_may_have_called_somebody(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener, answer: str, error: type[Exception]
) -> None:
    await peer.behave(times=1, answer=answer, takes=True)
    with pytest.raises(error):
        await client.post(peer.url, data=form(), timeout=httpx.Timeout(10, read=0.5 if answer == "silent" else 10))
    assert (await listener.arrived(1))[0]["memberid"] == form()["memberid"]
    assert (await ask(client, peer, memberid="call-2"))["ret"] == 200


async def test_a_connection_that_is_cut_at_once_brought_no_request(
    client: httpx.AsyncClient, peer: InfinityPeer
) -> None:
    await peer.ask("cut", connections=1)
    with pytest.raises(httpx.TransportError):
        await client.post(peer.url, data=form())
    assert (await peer.counts())["requests"] == 0


async def test_nobody_listens_until_somebody_does_again(client: httpx.AsyncClient, peer: InfinityPeer) -> None:
    assert (await client.get(peer.url)).status_code == 200
    await peer.ask("listening", on=False)
    with pytest.raises(httpx.ConnectError):
        await client.get(peer.url)
    await peer.ask("listening", on=True)
    await peer.ask("probe", code=503)
    assert (await client.get(peer.url)).status_code == 503
    assert (await peer.counts())["probes"] == 2


async def test_a_number_has_a_script_of_its_own(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener
) -> None:
    await peer.behave(destination="02", outcome="busy")
    for number, memberid in (("+15550101", "call-1"), ("+15550102", "call-2")):
        await ask(client, peer, destnumber=number, memberid=memberid)
        await peer.event("callback", memberid=memberid)
    causes = {record["memberid"]: record["hangupcause"] for record in await listener.arrived(2)}
    assert causes == {"call-1": 16, "call-2": 17}


async def test_what_is_not_taken_is_told_again_and_three_times_at_most(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener
) -> None:
    listener.codes = [503, 500]
    await ask(client, peer)
    await peer.event("callback", attempt=3, code=200)
    listener.codes = [503, 500, 404]
    await ask(client, peer, memberid="call-2")
    await peer.event("callback", memberid="call-2", attempt=3, code=404)
    assert len(listener.requests) == 6
    assert len(await peer.callbacks()) == 6


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({}, ["answered", "ended"]),
        ({"callback": "reversed"}, ["ended", "answered"]),
        ({"repeat": 2}, ["answered", "ended", "ended"]),
        ({"outcome": "no_answer"}, ["ended"]),
        ({"outcome": "agent_no_answer"}, ["ended"]),
    ],
)
async def test_callbacks_come_as_the_script_says(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener, script: dict[str, Any], told: list[str]
) -> None:
    await peer.account(progress=True)
    await peer.behave(**script)
    await ask(client, peer)
    assert [record["event"] for record in await listener.arrived(len(told))] == told


async def test_a_record_may_come_before_the_answer(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener
) -> None:
    await peer.behave(callback="first")
    await ask(client, peer)
    assert len(listener.requests) == 1


@pytest.mark.parametrize("wrong", ["company", "extension", "destination", "memberid"])
async def test_a_record_may_be_wrong(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener, wrong: str
) -> None:
    await peer.behave(callback="never")
    await ask(client, peer)
    await peer.event("call", state="ended")
    memberid = form()["memberid"]
    for each in ("", wrong):
        assert await peer.ask("call_back", memberid=memberid, wrong=each) == {"code": 200}
    right, other = await listener.arrived(2)
    assert sum(right[name] != other[name] for name in right) == 1


async def test_a_call_lasts_until_somebody_hangs_up(
    client: httpx.AsyncClient, peer: InfinityPeer, listener: Listener
) -> None:
    await peer.behave(talk_seconds=None)
    await ask(client, peer)
    await peer.event("call", state="answered")
    assert (await peer.counts())["live"] == 1
    await peer.hang_up(form()["memberid"], "agent")
    assert (await listener.arrived(1))[0]["hangupdirection"] == "agent"
    assert (await peer.counts())["live"] == 0


async def test_it_counts_what_must_never_happen(client: httpx.AsyncClient, peer: InfinityPeer) -> None:
    await peer.behave(talk_seconds=None)
    await ask(client, peer)
    await ask(client, peer, memberid="call-2", extnumber="8002")
    assert (await peer.counts())["collisions"] == 0
    await ask(client, peer)
    counts = await peer.counts()
    assert (counts["asked_twice"], counts["collisions"], counts["most_live"]) == (1, 1, 3)
