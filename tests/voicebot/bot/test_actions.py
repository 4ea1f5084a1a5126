"""What bots do beside speaking: programs that answer in every way, text messages in the store, language models."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from dialplane.resources.dialog import BotSms, Llm, Webhook
from dialplane.services.registry import SERVICES
from dialplane.services.sms.tables import outgoing
from dialplane.services.voicebot.bot.actions import MESSAGES_PER_CALL, ActionPool, CallActions
from dialplane.services.voicebot.bot.webhooks import ANSWER_LIMIT
from dialplane.services.voicebot.dialogue.steps import ActionEnded, AskModel, AskWebhook, SendSms
from dialplane.store import Store, StoreUnavailable

SITE = "office"
CALLER = "+15550100"
KEY = "secret-of-the-program"
SAID = "words-of-the-caller"
QUEUE_TEXT = next(service.queue_text for service in SERVICES if service.queue_text)
FAILED = ActionEnded()


class _Secrets:
    def value(self, name: str, key: str) -> SecretStr | None:
        return SecretStr(KEY) if (name, key) == ("crm", "key") else None


@dataclass
class Program:
    """Somebody's program: it answers each request with the same bytes, after a while, and remembers the last one."""

    answer: bytes
    seconds: float = 0.0
    url: str = ""
    head: str = ""
    body: bytes = b""
    asked: int = 0
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> Mapping[str, str]:
        lines = (line.split(": ", 1) for line in self.head.splitlines()[1:] if ": " in line)
        return {name.lower(): value for name, value in lines}

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.body = await reader.readexactly(int(self.headers["content-length"]))
            self.asked += 1
            await asyncio.sleep(self.seconds)
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def http(body: bytes | str, status: str = "200 OK", *more: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


@asynccontextmanager
async def answering(answer: bytes, seconds: float = 0.0) -> AsyncIterator[Program]:
    program = Program(answer, seconds)
    server = await asyncio.start_server(program.take, "127.0.0.1", 0)
    program.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield program


@pytest.fixture
async def pool(store: Store) -> AsyncIterator[ActionPool]:
    made = ActionPool(store, SITE, _Secrets(), QUEUE_TEXT)
    yield made
    await made.close()


@pytest.fixture
def actions(pool: ActionPool) -> CallActions:
    return pool.of_call("receptionist", "call-1", CALLER)


def ask(url: str, **fields: Any) -> AskWebhook:
    spec = {"url": url, "allowPrivateAddress": True, "timeoutSeconds": 1, "otherwise": "end", **fields}
    return AskWebhook(Webhook.model_validate_json(json.dumps(spec)), {"caller": CALLER, "order": SAID})


async def test_a_program_is_asked_with_a_signature_and_its_answer_is_taken(actions: CallActions) -> None:
    answer = json.dumps({"outcome": "vip", "variables": {"name": "Ada"}, "more": [1]})
    async with answering(http(answer)) as program:
        step = ask(f"{program.url}/hooks/orders", secretRef={"name": "crm", "key": "key"})
        assert await actions.webhook(step) == ActionEnded("vip", {"name": "Ada"})
    assert program.head.startswith("POST /hooks/orders HTTP/1.1\r\n")
    assert json.loads(program.body) == {
        "bot": "receptionist",
        "call": "call-1",
        "caller": CALLER,
        "variables": {"order": SAID},
    }
    stamp = program.headers["x-timestamp"]
    assert abs(int(stamp) - datetime.now(UTC).timestamp()) < 60
    proof = hmac.new(KEY.encode(), stamp.encode() + b"." + program.body, hashlib.sha256).hexdigest()
    assert program.headers["x-signature"] == f"sha256={proof}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http("", "500 Oh"), "it answered HTTP 500"),
        (http("", "302 Found", "Location: http://127.0.0.1:1/"), "it answered HTTP 302"),
        (http("{"), "its answer is no JSON"),
        (http("[" * 60_000), "its answer is no JSON"),
        (http(b'{"outcome": "\xff"}'), "its answer is no JSON"),
        (http("[]"), "its answer is no object of JSON"),
        (http("{}"), "its answer has no `outcome` that is a name"),
        (http('{"outcome": "a\\nb"}'), "its answer has no `outcome` that is a name"),
        (http('{"outcome": "a", "variables": []}'), "its `variables` are no object of up to 64 texts"),
        (http('{"outcome": "a", "variables": {"n": 1}}'), "its `variables` are not all texts"),
        (http(b" " * (ANSWER_LIMIT + 1)), "it answered more than 64 KB"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ClientResponseError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "ClientPayloadError"),
        (b"", "ServerDisconnectedError"),
    ],
)
async def test_an_answer_that_is_none_is_a_failure_without_the_callers_words(
    actions: CallActions,
    answer: bytes,
    reason: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    async with answering(answer) as program:
        assert await actions.webhook(ask(program.url)) == FAILED
    told = caplog.text + capsys.readouterr().out
    assert reason in told
    assert SAID not in told
    assert CALLER not in told


async def test_a_program_has_so_long_and_no_longer(actions: CallActions) -> None:
    async with answering(http('{"outcome": "late"}'), seconds=30) as program, asyncio.timeout(10):
        assert await actions.webhook(ask(program.url)) == FAILED


async def test_nobody_there_and_no_secret_are_failures(actions: CallActions) -> None:
    async with answering(b"") as program:
        gone = program.url
    assert await actions.webhook(ask(gone)) == FAILED
    async with answering(http('{"outcome": "a"}')) as program:
        assert await actions.webhook(ask(program.url, secretRef={"name": "crm", "key": "none"})) == FAILED
        assert program.asked == 0  # never without the signature that was asked for


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_an_address_of_the_site_needs_permission(
    actions: CallActions, host: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(http('{"outcome": "a"}')) as program:
        port = program.url.rpartition(":")[2]
        webhook = ask(program.url).webhook.model_copy(
            update={"url": f"http://{host}:{port}", "allow_private_address": False}
        )
        assert await actions.webhook(AskWebhook(webhook, {})) == FAILED
        assert program.asked == 0
    assert "is no public address" in caplog.text + capsys.readouterr().out


def text(to: str = CALLER) -> SendSms:
    return SendSms(BotSms.model_validate({"dongle": "gsm", "text": "x"}), to, "Your order is late.")


async def test_a_text_message_is_queued_for_the_modem(actions: CallActions, store: Store) -> None:
    assert await actions.sms(text()) == ActionEnded("queued")
    (kept,) = outgoing.page(store, SITE, limit=9).messages
    assert (kept.phase, kept.dongle_asked, kept.recipient, kept.text) == (
        "Queued",
        "gsm",
        CALLER,
        "Your order is late.",
    )
    assert (kept.source, kept.source_uid, kept.parts_total) == ("service", "bot/call-1/1", 1)


async def test_a_call_sends_a_few_messages_and_none_to_nobody(actions: CallActions, store: Store) -> None:
    assert await actions.sms(text("")) == FAILED
    assert await actions.sms(text("anonymous")) == FAILED
    ended = [await actions.sms(text()) for _ in range(MESSAGES_PER_CALL + 1)]
    assert ended == [*[ActionEnded("queued")] * MESSAGES_PER_CALL, FAILED]
    assert len(outgoing.page(store, SITE, limit=99).messages) == MESSAGES_PER_CALL


async def test_without_a_store_or_a_service_a_message_fails(store: Store) -> None:
    nobody = ActionPool(store, SITE, _Secrets()).of_call("receptionist", "call-1", CALLER)
    assert await nobody.sms(text()) == FAILED

    def away(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    closed = ActionPool(store, SITE, _Secrets(), away).of_call("receptionist", "call-1", CALLER)
    assert await closed.sms(text()) == FAILED


def model(url: str, key: str = "key") -> AskModel:
    spec = {
        "url": url,
        "secretRef": {"name": "crm", "key": key},
        "model": "some",
        "instructions": "Ask.",
        "timeoutSeconds": 1,
        "intents": [{"name": "buy", "description": "They buy."}],
        "outcomes": [{"outcome": "buy", "to": "end"}],
        "otherwise": "end",
    }
    return AskModel(Llm.model_validate_json(json.dumps(spec)), (("caller", SAID),))


async def test_a_language_model_that_fails_is_an_answer_like_any_other(
    actions: CallActions, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with answering(http("", "401 Unauthorized")) as program:
        assert await actions.ask_model(model(program.url)) == FAILED
        assert program.headers["authorization"] == f"Bearer {KEY}"
        assert await actions.ask_model(model(program.url, "none")) == FAILED
        assert program.asked == 1
    async with answering(b"", seconds=30) as program, asyncio.timeout(10):
        assert await actions.ask_model(model(program.url)) == FAILED
    told = caplog.text + capsys.readouterr().out
    assert "Secret crm has no key none" in told
    assert KEY not in told
    assert SAID not in told


async def test_calls_share_the_connections_of_a_model(pool: ActionPool) -> None:
    ask_of = model("http://127.0.0.1:1")
    assert pool.model(ask_of.llm, SecretStr("a")) is pool.model(ask_of.llm, SecretStr("a"))
    assert pool.model(ask_of.llm, SecretStr("a")) is not pool.model(ask_of.llm, SecretStr("b"))
