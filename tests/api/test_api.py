"""The API as a program on the network meets it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialplane.api import server
from dialplane.api.application import application, schema, serve
from dialplane.api.dependencies import Api
from dialplane.api.rate_limit import Rate
from dialplane.api.tokens import Tokens, make_local_token
from dialplane.asterisk.errors import LineRefused
from dialplane.services.notify.tables import deliveries, folding
from dialplane.services.registry import mounts, scopes
from dialplane.services.sms.tables import inbox, outgoing, outgoing_parts
from dialplane.services.sms.tables.inbox import Received, derived_id
from dialplane.services.sms.tables.outgoing import Enqueued, NewOutgoing
from dialplane.store import Store, events
from dialplane.store.events import NewEvent
from tests.api.infinity_site import PLAIN
from tests.api.texts import Texts
from tests.databases import NOW

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = "office"
TOKEN = "a-token-for-the-tests-of-the-api"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SMS = "/api/v1/sms"
PICTURE = "/api/v1/devices/pictures/{device}/{year}/{month}/{day}/{picture}"
UPLOAD = "/api/v1/devices/uploads/{ticket}"
SENT = {"dongle": "gsm1", "to": "+15550100", "text": "Hallo 😀 你好 ${X};\u0001'\""}


def enqueue(store: Store, new: NewOutgoing, /, *, now: datetime) -> Enqueued:
    if "unsendable" in new.text:
        raise LineRefused("no modem can send that")
    return outgoing.enqueue(store, new, [new.text], now=now)


class Woken:
    def __init__(self) -> None:
        self.outbox = 0

    def wake_outbox(self) -> None:
        self.outbox += 1


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def texts(store: Store, monkeypatch: pytest.MonkeyPatch) -> Texts:
    monkeypatch.setattr("dialplane.services.sms.api.enqueue", enqueue)
    return texts_of(store)


def texts_of(store: Store) -> Texts:
    return Texts(store, SITE, {"gsm1": "all", "gsm2": "all", "gsm3": None}, gsm1="people")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tokens"
    made.mkdir()
    (made / "tests").write_text(f"{TOKEN}\n")
    return made


@pytest.fixture
def api(store: Store, folder: Path, texts: Texts, woken: Woken) -> Api:
    return Api(
        store,
        SITE,
        Tokens(folder, scopes()),
        mounts(),
        {"sms": texts},
        wake_outbox=woken.wake_outbox,
    )


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Through a real socket and uvicorn."""
    sock = server.listen("127.0.0.1:0")
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    serving = asyncio.create_task(serve(api, sock))
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30, verify=PLAIN) as made:
        yield made
    serving.cancel()
    await asyncio.wait([serving], timeout=5)


@pytest_asyncio.fixture(loop_scope="module")
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with served(api) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def refusing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """One for all requests that change nothing, because each is refused."""
    folder, tokens = tmp_path_factory.mktemp("refusing"), tmp_path_factory.mktemp("tokens")
    (tokens / "tests").write_text(f"{TOKEN}\n")
    store = Store.open(f"sqlite:///{folder}/store.db")
    api = Api(store, SITE, Tokens(tokens, scopes()), mounts(), {"sms": texts_of(store)}, failure_rate=Rate(10**6, 60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dialplane.services.sms.api.enqueue", enqueue)
        async with served(api) as made:
            yield made
    store.close()


def message(number: int, **changes: Any) -> Received:
    made = Received(derived_id(SITE, f"{number}.1", ""), SITE, "gsm1", "+15550199", f"text {number}", NOW, NOW)
    return replace(made, **changes)


def add(store: Store, *messages: Received) -> None:
    inbox.add(store, {found: [] for found in messages})


def fail(store: Store, message_id: str, phase: str) -> None:
    part = outgoing_parts.claim(store, SITE, "gsm1", frozenset(), now=NOW)
    assert part is not None
    assert part.message.id == message_id
    if phase == "Unknown":
        outgoing_parts.lost(store, part.payload, error="cut", now=NOW)
    else:
        outgoing_parts.reported(store, part.payload, phase.lower(), now=NOW)  # type: ignore[arg-type]


def is_problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["title"]
    return str(said["detail"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer another-token-for-the-tests-xyz"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {'x' * 5000}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
    ids=["none", "empty", "another", "shorter", "longer", "much-longer", "basic", "bare"],
)
async def test_who_shows_no_valid_token_gets_nothing(refusing: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path in (SMS, f"{SMS}/outgoing", "/api/v1/notifications", "/api/v1/openapi.json"):
        answer = await refusing.get(path, headers=headers)
        is_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_who_may_not_send_is_not_told_what_is_wrong_with_the_message(refusing: httpx.AsyncClient) -> None:
    is_problem(await refusing.post(SMS, json={"to": 1}, headers={"Authorization": ""}), 401)
    for content in (b"{", b"x" * 70_000):
        is_problem(await refusing.post(SMS, content=content, headers={"Authorization": ""}), 401)


async def test_every_path_but_health_and_the_callback_asks_for_a_token(api: Api) -> None:
    unguarded = set()
    async with served(replace(api, failure_rate=Rate(1000, 60))) as client:
        made = (await client.get("/api/v1/openapi.json")).json()
        for path, methods in made["paths"].items():
            for method in methods:
                url = path.replace("{id}", "in-" + "0" * 32)
                answer = await client.request(method, url, headers={"Authorization": ""})
                if answer.status_code != 401:
                    unguarded.add((path, answer.status_code))
        for path in ("/docs", "/redoc", "/openapi.json", "/"):
            is_problem(await client.get(path), 404)
    assert unguarded == {
        ("/api/v1/health", 200),
        ("/api/v1/infinity/callback/call-record", 403),
        (PICTURE, 503),  # where no device is
        (UPLOAD, 503),
    }


async def test_a_new_token_counts_at_once_and_a_revoked_one_no_more(client: httpx.AsyncClient, folder: Path) -> None:
    (folder / "second").write_text("another-token-for-the-tests")
    another = {"Authorization": "Bearer another-token-for-the-tests"}
    assert (await client.get(SMS, headers=another)).status_code == 200
    (folder / "second").unlink()
    assert (await client.get(SMS, headers=another)).status_code == 401
    assert (await client.get(SMS)).status_code == 200


def named(tokens: Tokens, token: str) -> str | None:
    holder = tokens.holder_of(token)
    return holder.name if holder else None


async def test_a_short_token_does_not_count(folder: Path) -> None:
    (folder / "short").write_text("123456789012345")
    assert named(Tokens(folder, ()), "123456789012345") is None
    (folder / "empty").write_text("\n")
    assert named(Tokens(folder, ()), "") is None


async def test_tokens_of_a_mounted_secret_are_followed_through_its_exchange(tmp_path: Path) -> None:
    for number in (1, 2):
        data = tmp_path / f"..{number}"
        data.mkdir()
        (data / "ci").write_text(f"the-token-of-version-{number}")
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "..data").symlink_to(tmp_path / "..1")
    (folder / "ci").symlink_to("..data/ci")
    tokens = Tokens(folder, ())
    assert named(tokens, "the-token-of-version-1") == "ci"
    (folder / "..new").symlink_to(tmp_path / "..2")
    (folder / "..new").rename(folder / "..data")
    assert named(tokens, "the-token-of-version-1") is None
    assert named(tokens, "the-token-of-version-2") == "ci"


async def test_the_local_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = make_local_token(tmp_path / "tokens")
    token = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert make_local_token(tmp_path / "tokens").read_text() == token
    assert named(Tokens(tmp_path / "tokens", ()), token.strip()) == "local"


async def test_a_flood_of_wrong_tokens_is_one_line_a_minute(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(1000))
    tokens = Tokens(folder, (), clock=lambda: float(next(clock)) / 2)
    for number in range(300):
        assert named(tokens, f"guess-{number}") is None
    said = [line for line in capsys.readouterr().out.splitlines() if "without a valid token" in line]
    assert 1 <= len(said) <= 6
    assert "guess" not in "".join(said)


async def test_health_needs_no_token_and_says_when_the_store_is_gone(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await client.get("/api/v1/health", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    with gone(monkeypatch):
        answer = await client.get("/api/v1/health", headers={"Authorization": ""})
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
        answer = await client.get(SMS)
        assert "try again" in is_problem(answer, 503)
        assert answer.headers["retry-after"]


@contextmanager
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from dialplane.store import StoreUnavailable  # noqa: PLC0415

    def read(_: Store) -> None:
        raise StoreUnavailable("postgresql+psycopg://dialplane@db/dialplane: connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", read)
        yield


async def test_pages_stand_still_while_messages_arrive(client: httpx.AsyncClient, store: Store) -> None:
    add(store, *[message(number) for number in range(7)])
    seen, cursor, pages = [], None, 0
    while True:
        params: dict[str, Any] = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await client.get(SMS, params=params)).json()
        seen += [found["text"] for found in page["items"]]
        add(store, message(100 + pages))
        pages, cursor = pages + 1, page["next"]
        if cursor is None:
            break
    assert seen == [f"text {number}" for number in reversed(range(7))]


async def test_a_message_is_given_whole(client: httpx.AsyncClient, store: Store) -> None:
    text = "NUL \0, quotes '\", ${EXTEN}; \\ \r\n 😀 你好 \u202e" * 300
    add(store, message(1, text=text, truncated=True))
    found = (await client.get(f"{SMS}/{message(1).id}")).json()
    assert found["text"] == text
    assert found == {
        "direction": "in",
        "id": message(1).id,
        "dongle": "gsm1",
        "sender": "+15550199",
        "text": text,
        "receivedAt": "2026-04-03T08:30:00Z",
        "storedAt": "2026-04-03T08:30:00Z",
        "truncated": True,
        "damaged": False,
    }


async def test_the_list_is_filtered(client: httpx.AsyncClient, store: Store) -> None:
    add(
        store,
        message(1),
        message(2, dongle="gsm2"),
        message(3, sender="ACME"),
        message(4, received_at=NOW + timedelta(days=1)),
    )
    for params, texts in [
        ({"dongle": "gsm2"}, ["text 2"]),
        ({"sender": "ACME"}, ["text 3"]),
        ({"since": "2026-04-03T23:00:00+02:00"}, ["text 4"]),
    ]:
        page = (await client.get(SMS, params=params)).json()
        assert [found["text"] for found in page["items"]] == texts


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": "9" * 19},
        {"since": "yesterday"},
        {"since": "2026-04-03T08:30:00"},
    ],
    ids=str,
)
async def test_a_wrong_parameter_is_named(refusing: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await refusing.get(SMS, params=params)
    is_problem(answer, 422)
    assert [error["field"] for error in answer.json()["errors"]] == [f"query.{next(iter(params))}"]


@pytest.mark.parametrize("path", [f"{SMS}/in-{'0' * 32}", f"{SMS}/out-{'0' * 32}"])
async def test_what_is_not_there_is_404(refusing: httpx.AsyncClient, path: str) -> None:
    is_problem(await refusing.get(path), 404)
    is_problem(await refusing.post(f"{path}/resend"), 404)


async def test_a_message_is_queued_and_can_be_followed(client: httpx.AsyncClient, texts: Texts) -> None:
    answer = await client.post(SMS, json=SENT)
    assert answer.status_code == 202, answer.text
    found = (await client.get(answer.headers["location"])).json()
    assert found == answer.json()
    assert (found["direction"], found["phase"], found["to"], found["text"]) == (
        "out",
        "Queued",
        "+15550100",
        SENT["text"],
    )
    assert [part["state"] for part in found["parts"]] == ["waiting"]
    listed = (await client.get(f"{SMS}/outgoing", params={"phase": "Queued", "to": "+15550100"})).json()
    assert [each["id"] for each in listed["items"]] == [found["id"]]
    assert texts.woken == 1


async def test_an_idempotency_key_sends_once(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-4711"}
    answers = await asyncio.gather(*[client.post(SMS, json=SENT, headers=headers) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await client.post(SMS, json={**SENT, "text": "other"}, headers=headers)
    assert "another message" in is_problem(other, 422)
    assert len((await client.get(f"{SMS}/outgoing")).json()["items"]) == 1


async def test_two_callers_may_use_the_same_key(client: httpx.AsyncClient, folder: Path) -> None:
    (folder / "second").write_text("another-token-for-the-tests")
    key = {"Idempotency-Key": "1"}
    first = await client.post(SMS, json=SENT, headers=key)
    second = await client.post(
        SMS, json={**SENT, "text": "x"}, headers={**key, "Authorization": "Bearer another-token-for-the-tests"}
    )
    assert (first.status_code, second.status_code) == (202, 202)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"dongle": "gsm1", "to": "+15550100"}, "body.text", "is required"),
        ({**SENT, "to": "mum"}, "body.to", '"mum" is not a telephone number'),
        ({**SENT, "to": 15550100}, "body.to", "put it in quotes"),
        ({**SENT, "text": ""}, "body.text", "is not a text of 1 to 2,000"),
        ({**SENT, "text": "x\0"}, "body.text", "without NUL"),
        ({**SENT, "text": "x" * 2001}, "body.text", "is not a text of 1 to 2,000"),
        ({**SENT, "dongleGroup": "all"}, "body", "exactly one"),
        ({**SENT, "txt": "x"}, "body.txt", "did you mean text"),
        ({**SENT, "dongle": "gsm9"}, "body.dongle", "known are gsm1, gsm2, gsm3"),
        ({**SENT, "dongle": None, "dongleGroup": "some"}, "body.dongleGroup", "known are all"),
        ({**SENT, "validityMinutes": 1}, "body.validityMinutes", "from 5 to"),
        ({**SENT, "ttlSecondsAfterFinished": 1}, "body.ttlSecondsAfterFinished", "leave it out"),
        ({**SENT, "text": "unsendable"}, "body.text", "no modem can send that"),
        ([], "body", ""),
    ],
    ids=[
        "missing",
        "number",
        "unquoted",
        "empty",
        "nul",
        "long",
        "both",
        "unknown",
        "no-dongle",
        "no-group",
        "validity",
        "ttl",
        "unsendable",
        "list",
    ],
)
async def test_a_wrong_message_is_refused_in_the_words_of_the_manifest(
    refusing: httpx.AsyncClient, body: Any, field: str, said: str
) -> None:
    answer = await refusing.post(SMS, json=body)
    is_problem(answer, 422)
    errors = answer.json()["errors"]
    assert [error for error in errors if error["field"] == field and said in error["message"]], errors
    assert (await refusing.get(f"{SMS}/outgoing")).json()["items"] == []


async def test_half_a_surrogate_pair_is_refused(refusing: httpx.AsyncClient) -> None:
    body = json.dumps({**SENT, "text": "\ud83d"}).encode()
    is_problem(await refusing.post(SMS, content=body, headers={"Content-Type": "application/json"}), 422)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b'{"to":' * 5000], ids=["cut", "no-utf8", "empty", "deep"])
async def test_what_is_no_json_is_refused(refusing: httpx.AsyncClient, content: bytes) -> None:
    answer = await refusing.post(SMS, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text
    is_problem(answer, answer.status_code)


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_outside_of_the_calendar_is_refused(refusing: httpx.AsyncClient, since: str) -> None:
    for path in (SMS, f"{SMS}/outgoing"):
        is_problem(await refusing.get(path, params={"since": since}), 422)


@pytest.mark.parametrize("sent", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: x"], ids=["nothing", "word", "half"])
async def test_who_does_not_finish_a_request_is_shown_out(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(sent)
    async with asyncio.timeout(15):
        assert await reader.read() == b""
    writer.close()
    assert (await client.get("/api/v1/health")).status_code == 200


async def test_what_is_no_http_is_no_line_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    async with asyncio.timeout(15):
        assert b"400 Bad Request" in await reader.read()
    writer.close()
    assert not [entry for entry in caplog.records if entry.name.startswith("uvicorn")]


async def test_a_byte_now_and_then_keeps_no_connection(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    ended = asyncio.create_task(reader.read())
    async with asyncio.timeout(15):
        while not ended.done():
            writer.write(b"G")
            await asyncio.sleep(0.05)
    writer.close()


async def test_a_body_that_is_too_large_is_not_read(client: httpx.AsyncClient) -> None:
    large = json.dumps({**SENT, "text": "x" * 70_000}).encode()
    is_problem(await client.post(SMS, content=large), 413)

    async def stream() -> AsyncIterator[bytes]:
        yield large  # no Content-Length tells of it

    is_problem(await client.post(SMS, content=stream()), 413)


async def test_a_message_received_goes_to_the_notifiers_again(
    client: httpx.AsyncClient, store: Store, woken: Woken
) -> None:
    add(store, message(1))
    answer = await client.post(f"{SMS}/{message(1).id}/resend")
    assert answer.status_code == 202, answer.text
    (told,) = events.take(store, SITE)
    assert (told.type, told.data["text"], told.data["notifiers"], told.data["resent"]) == (
        "sms.received",
        "text 1",
        ["people"],
        True,
    )
    assert woken.outbox == 1


@pytest.mark.parametrize("phase", ["Failed", "Expired"])
async def test_a_message_that_failed_is_sent_again_once(client: httpx.AsyncClient, store: Store, phase: str) -> None:
    first = (await client.post(SMS, json=SENT)).json()["id"]
    fail(store, first, phase)
    again = await client.post(f"{SMS}/{first}/resend")
    assert again.status_code == 202, again.text
    assert again.json()["id"] != first
    assert again.json()["text"] == SENT["text"]
    twice = await client.post(f"{SMS}/{first}/resend")
    assert (twice.status_code, twice.json()["id"]) == (200, again.json()["id"])


@pytest.mark.parametrize(
    ("phase", "why"), [("Queued", "it is Queued"), ("Sent", "may have arrived"), ("Unknown", "may have arrived")]
)
async def test_a_message_that_may_have_arrived_is_not_sent_again(
    client: httpx.AsyncClient, store: Store, phase: str, why: str
) -> None:
    first = (await client.post(SMS, json=SENT)).json()["id"]
    if phase != "Queued":
        fail(store, first, phase)
    assert why in is_problem(await client.post(f"{SMS}/{first}/resend"), 409)
    assert len((await client.get(f"{SMS}/outgoing")).json()["items"]) == 1


async def test_a_dead_notification_is_found_and_tried_again(
    client: httpx.AsyncClient, store: Store, woken: Woken
) -> None:
    events.record(store, [NewEvent(SITE, "trunk.unregistered", "SipTrunk", "carrier", NOW, {"reason": "timeout"})])
    (event,) = events.take(store, SITE)
    folding.fan_out(store, [(event, [folding.NewDelivery(name, "u") for name in ("a", "b")])], now=NOW)
    first = deliveries.page(store, SITE, limit=1).items[0].delivery
    deliveries.given_up(store, first.id, error="HTTP 500", now=NOW)
    dead = (await client.get("/api/v1/notifications", params={"state": "dead"})).json()["items"]
    assert [(n["id"], n["event"], n["subject"], n["lastError"], n["data"]) for n in dead] == [
        (first.id, "trunk.unregistered", "SipTrunk/carrier", "HTTP 500", {"reason": "timeout"})
    ]
    answer = await client.post(f"/api/v1/notifications/{first.id}/resend")
    assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (202, "pending", 0)
    assert woken.outbox == 1
    page = (await client.get("/api/v1/notifications", params={"limit": 1})).json()
    rest = (await client.get("/api/v1/notifications", params={"limit": 1, "cursor": page["next"]})).json()
    assert {page["items"][0]["notifier"], rest["items"][0]["notifier"]} == {"a", "b"}
    assert rest["next"] is None
    is_problem(await client.post(f"/api/v1/notifications/{'0' * 32}/resend"), 404)


async def test_the_schema_describes_every_path_parameter_and_field(api: Api) -> None:
    made = schema(application(api))
    assert made["openapi"].startswith("3.1")
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert all(parameter.get("description") for parameter in operation.get("parameters", [])), where
            if path not in {"/api/v1/health", "/api/v1/infinity/callback/call-record", PICTURE, UPLOAD}:
                assert operation["security"], where
            if path != "/api/v1/health":
                assert "application/problem+json" in operation["responses"]["401"]["content"], where
    for name, model in made["components"]["schemas"].items():
        for field, said in model.get("properties", {}).items():
            assert said.get("description") or "const" in said, f"{name}.{field}"


async def test_the_schema_refers_to_nothing_that_is_missing(api: Api) -> None:
    made = schema(application(api))

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    for reference in set(references(made)):
        place: Any = made
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]
