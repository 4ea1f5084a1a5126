"""The client against the provider peer: what is known of a call after each thing that can happen to its request."""

import asyncio
import logging
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.infinity import provider as provider_module
from dialplane.services.infinity.provider import Kind, Provider
from dialplane.services.infinity.tables.calls import Call
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from tests.databases import NOW
from tests.infinity.tenants import TOKEN, tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


def call(**changes: Any) -> Call:
    made = Call(
        seq=1,
        id="call-0123456789abcdef0123",
        site="office",
        tenant="sales",
        number="8001",
        agent="agent-7",
        callback_number="+15550110",
        destination="+15550101",
        caller_number="+15550100",
        case_id="case-9",
        custom={},
        campaign=None,
        token="desk",
        request_key="key",
        state="reserved",
        deadline=NOW,
        dial_seconds=60,
        call_seconds=7200,
        answer_lost=False,
        rung="no",
        outcome=None,
        reason=None,
        reserved_at=NOW,
        dialing_at=None,
        answered_at=None,
        released_at=None,
        record=None,
        record_at=None,
        provider_uuid=None,
        ring_seconds=None,
        talk_seconds=None,
        hangup_cause=None,
        recording=None,
    )
    return replace(made, **changes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    async with await InfinityPeer.start(tmp_path_factory.mktemp("infinity"), Account(token=TOKEN)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def peer(running: InfinityPeer) -> InfinityPeer:
    await running.ask("listening", on=True)
    await running.forget()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    yield made
    await made.close()


@asynccontextmanager
async def listening(
    connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
) -> AsyncIterator[str]:
    """A server of a test's own; where it is, without the scheme."""
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_call_is_asked_for_as_the_platform_wants_it(peer: InfinityPeer, provider: Provider) -> None:
    answer = await provider.make_call(tenant(peer.url), call(custom={"chengshudu": "2", "product": "loan"}))
    assert (answer.kind, answer.detail) == ("accepted", "call accepted")
    assert answer.seconds > 0
    (request,) = await peer.requests()
    assert request["fields"] == {
        "service": "App.Sip_Call.MakeCall",
        "extnumber": "8001",
        "destnumber": "+15550101",
        "disnumber": "+15550100",
        "userid": "agent-7",
        "customuuid": "case-9",
        "memberid": "call-0123456789abcdef0123",
        "chengshudu": "2",
    }


async def test_what_there_is_not_is_not_said(peer: InfinityPeer, provider: Provider) -> None:
    answer = await provider.make_call(tenant(peer.url), call(caller_number=None, case_id=None))
    assert answer.kind == "accepted"
    (request,) = await peer.requests()
    assert request["fields"].keys() & {"disnumber", "chengshudu"} == set()
    assert request["fields"]["customuuid"] == ""


OUTCOMES: dict[str, tuple[dict[str, Any], Kind, str]] = {
    "refused": ({"answer": "refuse", "code": 407, "words": "no balance"}, "refused", "refuses (407): no balance"),
    "status": ({"answer": "status", "code": 3, "words": "all\nbusy"}, "refused", "refuses (status 3): all busy"),
    "nothing": ({"answer": "status", "code": 3, "words": ""}, "refused", "it gives no reason"),
    "not-found": ({"answer": "error", "code": 404}, "refused", "HTTP 404: see apiUrl"),
    "redirect": ({"answer": "redirect", "code": 307}, "refused", "HTTP 307: the API is elsewhere, correct apiUrl"),
    "see-other": ({"answer": "redirect", "code": 303}, "lost", "HTTP 303: the customer may be rung"),
    "down": ({"answer": "error", "code": 503}, "lost", "HTTP 503: the customer may be rung"),
    "garbage": ({"answer": "garbage"}, "lost", "answer cannot be read: the customer may be rung"),
    "half": ({"answer": "half"}, "lost", "the connection ended before the answer did: the customer may be rung"),
    "cut": ({"answer": "cut"}, "lost", "the customer may be rung"),
    "endless": ({"answer": "endless"}, "lost", "answer cannot be read: the customer may be rung"),
    "silent": ({"answer": "silent"}, "lost", "no answer within 1 s: the customer may be rung"),
}


@pytest.mark.parametrize("name", OUTCOMES)
async def test_what_is_known_after_a_request(peer: InfinityPeer, provider: Provider, name: str) -> None:
    script, kind, words = OUTCOMES[name]
    seconds = 1 if name == "silent" else 5
    await peer.behave(**script)
    answer = await provider.make_call(tenant(peer.url, requestTimeoutSeconds=seconds), call())
    assert answer.kind == kind
    assert words in answer.detail
    counts = await peer.counts()
    assert (counts["requests"], counts["asked_twice"]) == (1, 0)


async def test_a_connection_that_is_cut_as_the_request_goes_out_is_not_tried_again(
    peer: InfinityPeer, provider: Provider
) -> None:
    await peer.ask("cut", connections=1)
    answer = await provider.make_call(tenant(peer.url), call())
    assert answer.kind == "lost"
    assert (await peer.counts())["connections"] == 1


async def test_nobody_is_called_where_nobody_listens(peer: InfinityPeer, provider: Provider) -> None:
    await peer.ask("listening", on=False)
    answer = await provider.make_call(tenant(peer.url), call())
    assert answer.kind == "not_sent"
    assert "no connection: see whether the platform is up, and apiUrl right: nobody was called" in answer.detail


async def test_nobody_is_called_where_the_name_is_not_known(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise OSError from provider_module.socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("anyio.getaddrinfo", unknown)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    answer = await provider.make_call(tenant("http://voice.example.com/api"), call())
    assert answer.kind == "not_sent"
    assert "voice.example.com: the name is not known: correct apiUrl" in answer.detail


async def test_nobody_is_called_without_a_token(peer: InfinityPeer, provider: Provider) -> None:
    answer = await provider.make_call(tenant(peer.url, token=None), call())
    assert answer.kind == "not_sent"
    assert "the Secret sales has no key token" in answer.detail
    assert (await peer.counts())["requests"] == 0


async def test_nobody_is_called_before_tls_is_there(provider: Provider) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as place:
        answer = await provider.make_call(tenant(f"https://{place}/api", requestTimeoutSeconds=1), call())
    assert answer.kind == "not_sent"
    assert "no connection within 1 s: nobody was called" in answer.detail


async def test_a_platform_that_speaks_no_tls_gets_no_token(peer: InfinityPeer, provider: Provider) -> None:
    answer = await provider.make_call(tenant(peer.url.replace("http:", "https:")), call())
    assert answer.kind == "not_sent"
    assert "it speaks no TLS that is good here: correct apiUrl" in answer.detail
    assert (await peer.counts())["requests"] == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, made = tmp_path / "key.pem", tmp_path / "both.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*argv, "-keyout", key, "-out", made, *names], check=True, capture_output=True, timeout=30)
    authority = tmp_path / "authority.pem"
    authority.write_bytes(made.read_bytes())
    made.write_bytes(made.read_bytes() + key.read_bytes())
    async with await InfinityPeer.start(tmp_path, Account(token=TOKEN), certificate=made) as secure:
        stranger = Provider()
        answer = await stranger.make_call(tenant(secure.url), call())
        await stranger.close()
        assert answer.kind == "not_sent"
        assert "its certificate is not trusted (self-signed certificate)" in answer.detail
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        friend = Provider()
        answer = await friend.make_call(tenant(secure.url), call())
        await friend.close()
        assert answer.kind == "accepted"


async def test_a_connection_that_the_platform_has_closed_meanwhile_costs_no_call(
    peer: InfinityPeer, provider: Provider
) -> None:
    assert (await provider.make_call(tenant(peer.url), call())).kind == "accepted"
    await peer.ask("listening", on=False)
    await peer.ask("listening", on=True)
    assert (await provider.make_call(tenant(peer.url), call(id="call-2"))).kind == "accepted"


async def test_connections_are_used_again(peer: InfinityPeer, provider: Provider) -> None:
    for number in range(5):
        await provider.make_call(tenant(peer.url), call(id=f"call-{number}"))
    assert (await peer.counts())["connections"] == 1


async def test_a_slow_platform_does_not_hold_up_another(peer: InfinityPeer, provider: Provider) -> None:
    await peer.behave(destination="09", answer="silent")
    patient = tenant(peer.url, requestTimeoutSeconds=30)
    slow = [
        asyncio.create_task(provider.make_call(patient, call(id=f"slow-{n}", destination="+15550109")))
        for n in range(150)
    ]
    async with asyncio.timeout(30):
        while (await peer.counts())["requests"] < len(slow):
            await asyncio.sleep(0.02)
    assert (await provider.make_call(tenant(peer.url), call())).kind == "accepted"
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def test_no_cookie_of_one_tenant_goes_out_with_anothers_call(provider: Provider) -> None:
    seen: list[bytes] = []

    async def platform(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"ret":200,"data":{"status":0,"desc":""},"msg":""}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nSet-Cookie: session=1; path=/\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with listening(platform) as place:
        for name in ("sales", "support"):
            answer = await provider.make_call(tenant(f"http://{place}/api", name=name), call())
            assert answer.kind == "accepted"
    assert [b"cookie" in head.lower() for head in seen] == [False, False]


async def test_the_caller_hears_when_the_request_goes_out(peer: InfinityPeer, provider: Provider) -> None:
    told: list[str] = []
    await provider.make_call(tenant(peer.url), call(), sending=lambda: told.append("sending"))
    await peer.ask("listening", on=False)
    await provider.make_call(tenant(peer.url), call(), sending=lambda: told.append("again"))
    assert told == ["sending"]


async def test_nothing_goes_out_that_was_cancelled_in_the_last_moment(peer: InfinityPeer, provider: Provider) -> None:
    def never() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await provider.make_call(tenant(peer.url), call(), sending=never)
    assert (await provider.make_call(tenant(peer.url), call())).kind == "accepted"
    assert (await peer.counts())["requests"] == 1


async def test_the_token_is_in_no_word_and_no_log(
    peer: InfinityPeer, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = []
    for script in (
        {"answer": "refuse", "words": f"token {TOKEN} is blocked"},
        {"answer": "cut"},
        {"answer": "garbage"},
    ):
        await peer.behave(**script)
        words.append(repr(await provider.make_call(tenant(peer.url), call())))
    words.append(repr(tenant(peer.url)))
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(words)
    assert "token … is blocked" in words[0]


# --- the limit


async def limited(peer: InfinityPeer, provider: Provider, limit: int, after: float) -> None:
    """The platform takes that long. A slow machine may make it longer, but what is said is true of it."""
    asked = tenant(peer.url, requestTimeoutSeconds=limit)
    answer = await provider.make_call(asked, call(id=f"call-{after}", destination=f"+155501{round(10 * after):03}"))
    if after > limit:
        assert answer.kind == "lost"
    else:
        assert answer.kind == ("accepted" if answer.seconds < limit else "lost")
    if answer.kind == "lost":
        assert f"no answer within {limit} s: the customer may be rung" in answer.detail
        assert answer.seconds >= limit


async def test_an_answer_counts_up_to_the_limit(peer: InfinityPeer, provider: Provider) -> None:
    times = [(2, 1.0), (2, 2.5), (10, 9.9), (10, 10.1)]
    for _, after in times:
        await peer.behave(destination=f"{round(10 * after):03}", after=after)
    await asyncio.gather(*(limited(peer, provider, limit, after) for limit, after in times))
    await peer.event("call", memberid="call-10.1", state="ended")
    counts = await peer.counts()
    assert (counts["taken"], counts["asked_twice"]) == (4, 0)


# --- probes


@pytest.mark.parametrize(("code", "answers"), [(200, True), (404, True), (401, True), (503, False)])
async def test_a_platform_answers_that_says_anything_but_that_it_is_ill(
    peer: InfinityPeer, provider: Provider, code: int, answers: bool
) -> None:
    await peer.ask("probe", code=code)
    probe = await provider.probe(tenant(peer.url))
    assert (probe.answers, probe.detail) == (answers, f"{peer.url[7:-4]}: answers HTTP {code}")
    assert probe.milliseconds > 0
    assert await peer.requests() == []


async def test_a_platform_that_is_not_there_does_not_answer(peer: InfinityPeer, provider: Provider) -> None:
    await peer.ask("listening", on=False)
    probe = await provider.probe(tenant(peer.url))
    assert not probe.answers
    assert "see whether the platform is up" in probe.detail


async def test_a_platform_that_takes_too_long_does_not_answer(
    peer: InfinityPeer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "PROBE_SECONDS", 0.3)
    await peer.ask("probe", after=30)
    probe = await provider.probe(tenant(peer.url))
    assert not probe.answers
    assert probe.detail.endswith("does not answer within 0.3 s")
