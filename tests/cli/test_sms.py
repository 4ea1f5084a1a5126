"""`dialplane sms` and `dialplane notifications`, through real processes and a real server."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dialplane.api import server
from dialplane.api.application import serve
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens, make_local_token
from dialplane.cli.plain_text import harmless, harmless_quoted
from dialplane.cli.state import API_TOKENS, API_URL, announce_api, only_one
from dialplane.resources.dongle import DongleSpec
from dialplane.services.notify.tables import deliveries, folding
from dialplane.services.registry import mounts, scopes
from dialplane.services.sms.modems import Fleet
from dialplane.services.sms.tables import inbox, outgoing, outgoing_parts
from dialplane.services.sms.tables.inbox import Received, derived_id
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.services.sms.waiting import why_waiting
from dialplane.store import Store, events
from dialplane.store.events import NewEvent
from tests import forks
from tests.api.texts import Texts
from tests.forks import on_a_terminal

SITE = "office"
NOW = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)
NASTY = "a\x1b]0;owned\x07\x1b[31m\r\n\x9bforged\0 \u202eback \x7f 😀 你好 'quoted' ${X}; # yes"


@dataclass(frozen=True)
class Served:
    state: Path
    store: Store
    url: str


@pytest.fixture
def served(tmp_path: Path, store: Store) -> Iterator[Served]:
    """The API in a thread of its own, announced in a state directory as `run` does it."""
    state = tmp_path / "state"
    make_local_token(state / API_TOKENS)
    sock = server.listen("127.0.0.1:0")

    class Waiting(Texts):
        def waits(self, message: Outgoing) -> str:
            spec = DongleSpec.model_validate({"imei": "354000000000010"})
            return why_waiting(message, {"gsm1": spec}, Fleet(NOW))

    services = {"sms": Waiting(store, SITE, {"gsm1": None})}
    api = Api(store, SITE, Tokens(state / API_TOKENS, scopes()), mounts(), services)
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(api, sock))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    with only_one(state):
        announce_api(state, sock)
        yield Served(state, store, (state / API_URL).read_text().strip())
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    loop.close()


def dialplane(
    *arguments: str, state: Path, given: str = "", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE")}
    return forks.dialplane(*arguments, env={**clean, "DIALPLANE_STATE_DIR": str(state), **(env or {})}, stdin=given)


def received(number: int, text: str) -> Received:
    return Received(derived_id(SITE, f"{number}.1", ""), SITE, "gsm1", "+15550199", text, NOW, NOW)


def test_the_list_in_a_pipe_is_a_line_for_each_message(served: Served) -> None:
    inbox.add(served.store, {received(1, "first"): [], received(2, "two\nlines"): []})
    ended = dialplane("sms", "list", state=served.state, env={"TZ": "UTC"})
    assert ended.returncode == 0, ended.stderr
    heading, *lines = ended.stdout.splitlines()
    assert heading.split() == ["RECEIVED", "DONGLE", "FROM", "ID", "TEXT"]
    assert [re.split(" {3,}", line)[0::4] for line in lines] == [
        ["2026-04-03 08:30:00", "two␊lines"],
        ["2026-04-03 08:30:00", "first"],
    ]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_the_text_as_it_is(served: Served, form: str) -> None:
    message = received(1, NASTY)
    inbox.add(served.store, {message: []})
    for arguments in (["sms", "list"], ["sms", "show", message.id]):
        ended = dialplane(*arguments, "-o", form, state=served.state)
        assert ended.returncode == 0, ended.stderr
        read = json.loads(ended.stdout) if form == "json" else YAML(typ="safe").load(ended.stdout)
        assert (read[0] if isinstance(read, list) else read)["text"] == NASTY


@pytest.mark.parametrize("form", ["text", "json", "yaml"])
@pytest.mark.parametrize("command", ["list", "show"])
def test_what_strangers_wrote_steers_no_terminal(served: Served, form: str, command: str) -> None:
    message = received(1, NASTY)
    inbox.add(served.store, {message: []})
    chosen = [message.id] if command == "show" else []
    seen = on_a_terminal(
        "sms", command, *chosen, "-o", form, cwd=served.state, DIALPLANE_STATE_DIR=str(served.state), COLUMNS="300"
    )
    assert "owned" in seen
    ours = re.sub("\x1b\\[[0-9;]*m", "", seen.replace("\x1b[31m", "STEERED"))  # rich's bold headings
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]|STEERED", ours), repr(ours)


def test_a_narrow_terminal_cuts_texts_and_no_ids(served: Served) -> None:
    message = received(1, "a long text " * 20)
    inbox.add(served.store, {message: []})
    seen = on_a_terminal("sms", "list", cwd=served.state, DIALPLANE_STATE_DIR=str(served.state), COLUMNS="60")
    for whole in (message.id, message.sender, "a long text a long"):
        assert whole in seen
    assert "a long text " * 20 not in seen


def test_more_than_a_page_is_fetched(served: Served) -> None:
    inbox.add(served.store, {received(number, f"text {number}"): [] for number in range(450)})
    ended = dialplane("sms", "list", "-n", "410", "-o", "json", state=served.state)
    assert [found["text"] for found in json.loads(ended.stdout)] == [f"text {n}" for n in range(449, 39, -1)]


def test_a_message_is_sent_once_and_its_id_is_printed(served: Served) -> None:
    ended = dialplane("sms", "send", "--dongle", "gsm1", "--to", "+15550100", "Hallo 😀", state=served.state)
    assert ended.returncode == 0, ended.stderr
    (kept,) = outgoing.page(served.store, SITE, limit=10).messages
    assert ended.stdout == f"{kept.id}\n"
    assert (kept.text, kept.recipient, kept.dongle_asked, kept.delivery_report) == (
        "Hallo 😀",
        "+15550100",
        "gsm1",
        True,
    )


def test_a_text_may_come_from_a_pipe(served: Served) -> None:
    sent = "two\nlines 你好"
    ended = dialplane(
        "sms", "send", "--dongle", "gsm1", "--to", "+15550100", "-", state=served.state, given=f"{sent}\n"
    )
    assert ended.returncode == 0, ended.stderr
    assert outgoing.page(served.store, SITE, limit=1).messages[0].text == sent


def _meanwhile(served: Served, act: Callable[[str], None]) -> threading.Thread:
    def wait() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            claim = outgoing_parts.claim(served.store, SITE, "gsm1", frozenset(), now=datetime.now(UTC))
            if claim is not None:
                act(claim.payload)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [(("sent", "delivered"), 0), (("failed",), 1), (("sent", "expired"), 1)],
    ids=["delivered", "failed", "expired"],
)
def test_waiting_shows_each_phase_and_ends_as_the_message_does(
    served: Served, outcomes: tuple[outgoing_parts.Outcome, ...], code: int
) -> None:
    def act(payload: str) -> None:
        for outcome in outcomes:
            time.sleep(2)
            outgoing_parts.reported(served.store, payload, outcome, now=datetime.now(UTC))

    thread = _meanwhile(served, act)
    ended = dialplane("sms", "send", "--dongle", "gsm1", "--to", "+15550100", "--wait", "x", state=served.state)
    thread.join(30)
    phases = [line.split(": ")[1].split()[0].lower() for line in ended.stdout.splitlines()]
    assert list(dict.fromkeys(phases)) == ["queued", *outcomes]
    assert ended.returncode == code, ended.stderr
    assert (f"is {outcomes[-1].title()}" in ended.stderr) == (code == 1)


def test_waiting_ends_in_time(served: Served) -> None:
    ended = dialplane(
        "sms", "send", "--dongle", "gsm1", "--to", "+15550100", "--wait", "--timeout", "2", "x", state=served.state
    )
    assert ended.returncode == 2
    why = "waits for the Dongle gsm1: the driver has no device of this name"
    assert f"still Queued after 2 s: it {why}" in ended.stderr
    assert f"Queued by gsm1 ({why})" in ended.stdout
    shown = json.loads(dialplane("sms", "list", "--outgoing", "-o", "json", state=served.state).stdout)[0]
    assert (shown["error"], shown["waitsFor"]) == (None, why)


def test_a_refusal_is_one_line_in_the_words_of_the_manifest(served: Served) -> None:
    ended = dialplane("sms", "send", "--dongle", "gsm9", "--to", "+15550100", "x", state=served.state)
    assert (ended.returncode, ended.stderr) == (
        1,
        "dialplane: dongle: there is no Dongle gsm9 in service: known are gsm1\n",
    )
    ended = dialplane("sms", "send", "--dongle", "gsm1", "--to", "mum", "x", state=served.state)
    assert ended.returncode == 1
    assert 'to: "mum" is not a telephone number' in ended.stderr


def test_what_may_have_arrived_is_not_sent_again(served: Served) -> None:
    sent = dialplane("sms", "send", "--dongle", "gsm1", "--to", "+15550100", "x", state=served.state).stdout.strip()
    ended = dialplane("sms", "resend", sent, state=served.state)
    assert (ended.returncode, ended.stderr) == (1, f"dialplane: {sent} is not sent again: it is Queued\n")


def test_a_message_received_is_told_again(served: Served) -> None:
    message = received(1, "again")
    inbox.add(served.store, {message: []})
    ended = dialplane("sms", "resend", message.id, state=served.state)
    assert ended.returncode == 0, ended.stderr
    assert [event.data["text"] for event in events.take(served.store, SITE)] == ["again"]


def test_a_dead_notification_is_listed_and_tried_again(served: Served) -> None:
    events.record(served.store, [NewEvent(SITE, "trunk.unregistered", "SipTrunk", "carrier", NOW, {})])
    (event,) = events.take(served.store, SITE)
    folding.fan_out(served.store, [(event, [folding.NewDelivery("people", "u")])], now=NOW)
    (told,) = deliveries.page(served.store, SITE, limit=1).items
    deliveries.given_up(served.store, told.delivery.id, error="HTTP 500\x1b[2J", now=NOW)
    listed = dialplane("notifications", "list", "--state", "dead", state=served.state)
    assert "SipTrunk/carrier" in listed.stdout
    assert "HTTP 500␛[2J" in listed.stdout
    ended = dialplane("notifications", "resend", told.delivery.id, state=served.state)
    assert ended.stdout == f"{told.delivery.id}: pending\n"


def test_a_token_may_come_from_a_file_or_the_environment(served: Served, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    token = (served.state / API_TOKENS / "local").read_text().strip()
    (tmp_path / "token").write_text(f"{token}\n")
    given = ["--url", served.url]
    assert dialplane("sms", "list", *given, "--token-file", str(tmp_path / "token"), state=elsewhere).returncode == 0
    assert dialplane("sms", "list", *given, state=elsewhere, env={"DIALPLANE_TOKEN": token}).returncode == 0
    wrong = dialplane("sms", "list", *given, state=elsewhere, env={"DIALPLANE_TOKEN": "wrong-token-of-nobody"})
    assert (wrong.returncode, "token is not known" in wrong.stderr) == (2, True)


def test_the_token_of_this_machine_goes_nowhere_else(served: Served) -> None:
    ended = dialplane("sms", "list", "--url", "http://127.0.0.1:1", state=served.state)
    assert (ended.returncode, "without a token" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "ftp://127.0.0.1"], "--url is http"),
        (["--url", "http://me:hunter2@127.0.0.1"], "without a name or password"),
        (["--url", "http://[::1"], "--url is http"),
        (["--url", "http://127.0.0.1:99999"], "--url is http"),
        (["--since", "0001-01-01", "--url", "http://127.0.0.1:1"], "--since"),
        (["--url", "http://127.0.0.1:1"], "does `dialplane run` serve there?"),
        ([], "no `dialplane run` works with"),
    ],
    ids=["scheme", "password", "bracket", "port", "year", "nobody", "nowhere"],
)
def test_an_api_that_cannot_be_reached_is_one_clear_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    ended = dialplane("sms", "list", *arguments, state=tmp_path, env={"DIALPLANE_TOKEN": "some-token-of-somebody"})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "hunter2" not in ended.stderr
    assert "some-token" not in ended.stderr


@pytest.mark.parametrize("token", ["hunter2-hunter2-hunter2\nb", "hunter2-hünter2-hunter2", "hunter2 hunter2 b"])
def test_what_cannot_be_a_token_is_not_repeated(served: Served, token: str) -> None:
    ended = dialplane("sms", "list", state=served.state, env={"DIALPLANE_TOKEN": token})
    assert (ended.returncode, "the token is not one word" in ended.stderr) == (2, True)
    assert "hunter2" not in ended.stderr


def test_before_the_api_is_served_the_command_says_so(tmp_path: Path) -> None:
    with only_one(tmp_path):
        ended = dialplane("sms", "send", "--dongle", "gsm1", "--to", "+15550100", "x", state=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        f"dialplane: the `dialplane run` of {tmp_path} serves no API yet: it begins some seconds"
    )


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_no_proxy_is_asked_for_this_very_machine(served: Served, proxy: str) -> None:
    env = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy)
    ended = dialplane("sms", "list", state=served.state, env={**env, "NO_PROXY": "", "no_proxy": ""})
    assert ended.returncode == 0, ended.stderr


def test_the_token_goes_to_nobody_who_took_the_port_of_a_run_that_was_killed(served: Served, tmp_path: Path) -> None:
    left = tmp_path / "left"
    shutil.copytree(served.state, left)
    ended = dialplane("sms", "list", state=left)
    assert (ended.returncode, "no `dialplane run` works with" in ended.stderr) == (2, True)
    with only_one(left):
        pass
    assert not (left / API_URL).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sms", "send", "--to", "+15550100", "x"], "either --dongle NAME or --group NAME"),
        (["sms", "show", "in-12"], "'in-12' is no id of a message"),
        (["notifications", "resend", "12"], "'12' is no id of a notification"),
    ],
)
def test_what_was_typed_wrong_is_said_in_the_words_of_the_command(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = dialplane(*arguments, state=tmp_path, env={"DIALPLANE_TOKEN": "t" * 16, "DIALPLANE_URL": "http://[::1]:1"})
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr


def test_a_wrong_filter_is_named_as_it_was_typed(served: Served) -> None:
    ended = dialplane("notifications", "list", "--state", "odd", state=served.state)
    assert ended.stderr.startswith("dialplane: state: Input should be 'pending'")


def test_visible_text_stays_as_it_is_and_the_rest_becomes_visible() -> None:
    assert harmless("Grüße 👩‍🚒 你好") == "Grüße 👩‍🚒 你好"
    assert harmless("\x1b[2J\x9b\u202e\n") == "␛[2J\\u009b\\u202e␊"
    assert harmless("a\nb", lines=True) == "a\nb"
    assert json.loads(harmless_quoted(json.dumps(NASTY, ensure_ascii=False))) == NASTY
