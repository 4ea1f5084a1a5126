"""From a real Asterisk's spool into the store: every message once, whatever is killed when."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.services.sms import spool
from dialplane.services.sms.inbox import InboxReader, forget_reports, reports
from dialplane.services.sms.reports import ReportReader
from dialplane.services.sms.tables import inbox, outgoing, outgoing_parts
from dialplane.services.sms.tables.inbox import Filter, Received
from dialplane.services.sms.tables.outgoing import NewOutgoing, Outgoing
from dialplane.store import Store, StoreUnavailable, events
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import address

SITE = "office"
CONTEXT = r"""
[dp-dongle-gsm1]
exten => sms,1,Set(DB(dpsms/${UNIQUEID})=${EPOCH}|gsm1|${BASE64_ENCODE(${CALLERID(num)})}|${SMS_BASE64})
"""

DRIVER = """
[driver]
exten => start,1,Set(CALLERID(num)=+15550100)
 same => n,Set(SMS_BASE64={})
 same => n,Goto(dp-dongle-gsm1,sms,1)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    async with AsteriskInstance(tmp_path_factory.mktemp("asterisk")) as instance:
        instance.write("dialplane/extensions.conf", CONTEXT)
        await instance.console("dialplan reload")
        yield instance


@pytest_asyncio.fixture
async def ami(asterisk: AsteriskInstance) -> AsyncIterator[Ami]:
    async with Ami.connect(address(asterisk), events="all") as made:
        yield made
        await clear(made)


async def clear(ami: Ami) -> None:
    for family in (spool.MESSAGES, spool.REPORTS):
        await database.remove(ami, family, [line.key for line in await database.entries(ami, family)])


async def put(asterisk: AsteriskInstance, family: str, key: str, value: str) -> None:
    """By the console: an AMI line carries 999 bytes only."""
    await asterisk.console(f'database put {family} "{key}" "{value}"')


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def value(text: str, *, dongle: str = "gsm1") -> str:
    return f"1775205000|{dongle}|{encoded('+15550100')}|{encoded(text)}"


def reader(store: Store) -> InboxReader:
    return InboxReader(store, SITE, lambda name: ("people",) if name == "gsm1" else ())


def stored(store: Store) -> list[Received]:
    return list(reversed(inbox.page(store, SITE, Filter(), limit=5000).messages))


async def test_what_is_spooled_is_stored_told_and_gone(asterisk: AsteriskInstance, ami: Ami, store: Store) -> None:
    text = "Hallo 😀 Привет 你好"
    await put(asterisk, spool.MESSAGES, "1.1", value(text))
    assert await reader(store).empty(ami) == 1
    (found,) = stored(store)
    assert (found.dongle, found.sender, found.text, found.truncated) == ("gsm1", "+15550100", text, False)
    (told,) = events.take(store, SITE)
    assert (told.type, told.subject_name) == ("sms.received", "gsm1")
    assert {name: told.data[name] for name in ("id", "text", "sender", "notifiers")} == {
        "id": found.id, "text": text, "sender": "+15550100", "notifiers": ["people"],
    }  # fmt: skip
    assert await database.entries(ami, spool.MESSAGES) == ()
    assert await reader(store).empty(ami) == 0


async def test_a_line_that_comes_again_is_no_new_message(asterisk: AsteriskInstance, ami: Ami, store: Store) -> None:
    for _ in range(2):
        await put(asterisk, spool.MESSAGES, "1.1", value("once"))
        await reader(store).empty(ami)
    assert [found.text for found in stored(store)] == ["once"]
    assert len(events.take(store, SITE)) == 1


async def test_readers_at_once_store_each_message_once(asterisk: AsteriskInstance, ami: Ami, store: Store) -> None:
    for number in range(20):
        await put(asterisk, spool.MESSAGES, f"1.{number}", value(f"text {number}"))
    await asyncio.gather(*[reader(store).empty(ami) for _ in range(4)])
    assert sorted(found.text for found in stored(store)) == sorted(f"text {number}" for number in range(20))
    assert len(events.take(store, SITE)) == 20


async def test_a_damaged_line_is_kept_aside_and_holds_nothing_up(
    asterisk: AsteriskInstance, ami: Ami, store: Store
) -> None:
    await put(asterisk, spool.MESSAGES, "1.1", "garbage|x")
    await put(asterisk, spool.MESSAGES, "1.2", value("after it"))
    assert await reader(store).empty(ami) == 2
    assert [(found.text, found.damaged) for found in stored(store)] == [("garbage|x", True), ("after it", False)]
    assert await database.entries(ami, spool.MESSAGES) == ()


async def test_messages_wait_in_the_spool_while_the_store_is_away(
    asterisk: AsteriskInstance, ami: Ami, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(asterisk, spool.MESSAGES, "1.1", value("patient"))

    def away(_: Store) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", away)
        with pytest.raises(StoreUnavailable):
            await reader(store).empty(ami)
    assert len(await database.entries(ami, spool.MESSAGES)) == 1
    assert await reader(store).empty(ami) == 1


async def test_a_message_the_store_will_not_have_holds_no_other_up(
    asterisk: AsteriskInstance, ami: Ami, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await put(asterisk, spool.MESSAGES, f"1.{number}", value(f"text {number}"))
    whole = spool.message

    def too_long(key: str, line: str) -> spool.Message | spool.Damaged:
        read = whole(key, line)
        assert isinstance(read, spool.Message)
        dongle: Any = None if key == "1.1" else "gsm1"
        return spool.Message(key, line, dongle, "", read.text, read.at, truncated=False)

    monkeypatch.setattr(spool, "message", too_long)
    assert await reader(store).empty(ami) == 2
    assert [line.key for line in await database.entries(ami, spool.MESSAGES)] == ["1.1"]


@pytest.mark.parametrize(
    "text", ["short", "x" * 3069, "x" * 3072, "😀" * 1000], ids=["short", "fits", "cut", "cut-inside"]
)
async def test_the_dialplan_spools_what_the_driver_brings(
    asterisk: AsteriskInstance, ami: Ami, store: Store, text: str
) -> None:
    """A variable longer than 4,095 characters is cut where the dialplan expands it, and not before."""
    asterisk.write("dialplane/extensions.conf", f"{CONTEXT}\n{DRIVER.format(encoded(text))}")
    await asterisk.console("dialplan reload")
    serving = asyncio.create_task(reader(store).serve(ami))
    account = asterisk.settings.calls
    driver = replace(address(asterisk), username=account.name, secret=SecretStr(account.secret))
    async with Ami.connect(driver, events="call", wait_for_boot=False) as calls:
        await calls.action("Originate", Channel="Local/start@driver", Application="NoOp", Async="true")
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(stored, store):
            await asyncio.sleep(0.05)
    serving.cancel()
    (found,) = stored(store)
    assert (found.sender, found.damaged) == ("+15550100", False)
    assert found.truncated == (len(encoded(text)) > spool.CUT)
    assert text.startswith(found.text)
    assert len(found.text.encode()) == min(len(text.encode()), 3071 if text[0] == "x" else 3068)


KILLED = """
import asyncio, os, sys
from pydantic import SecretStr
from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.services.sms.inbox import InboxReader
from dialplane.store import Store

url, port, name, after = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
removed = 0
remove = database.remove

async def dying(ami, family, keys):
    global removed
    for key in keys:
        if removed == after:
            os.kill(os.getpid(), 9)
        await remove(ami, family, [key])
        removed += 1

database.remove = dying

async def main():
    address = AmiAddress("127.0.0.1", name, SecretStr(os.environ["SECRET"]), port)
    async with Ami.connect(address) as ami:
        await InboxReader(Store.open(url), "office", lambda name: ()).empty(ami)

asyncio.run(main())
"""


async def test_killed_between_storing_and_deleting_nothing_is_lost_or_there_twice(
    asterisk: AsteriskInstance, ami: Ami, store: Store, store_url: str
) -> None:
    account = asterisk.settings.controller
    for death in range(3):
        for number in range(4):
            await put(asterisk, spool.MESSAGES, f"{death}.{number}", value(f"text {death}.{number}"))
        arguments = [store_url, str(asterisk.settings.ami_port), account.name, str(death)]
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, *arguments],
            env={**os.environ, "SECRET": account.secret, "PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
            check=False,
            capture_output=True,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    await reader(store).empty(ami)
    expected = [f"text {death}.{number}" for death in range(3) for number in range(4)]
    assert sorted(found.text for found in stored(store)) == expected
    assert sorted(event.data["text"] for event in events.take(store, SITE)) == expected
    assert await database.entries(ami, spool.MESSAGES) == ()


async def test_reports_are_read_and_forgotten_only_when_told_to(asterisk: AsteriskInstance, ami: Ami) -> None:
    parts = ("+15550100", "0123abcd", "1", "e", "", "", "0")
    await put(asterisk, spool.REPORTS, "1.1", "|".join(["1775205000", "gsm1", *map(encoded, parts)]))
    await put(asterisk, spool.REPORTS, "1.2", "garbage")
    found = await reports(ami)
    assert [(report.payload, report.success, report.type) for report in found] == [("0123abcd", True, "e")]
    assert await reports(ami) == found
    assert [line.key for line in await database.entries(ami, spool.REPORTS)] == ["1.1"]
    await forget_reports(ami, found)
    assert await reports(ami) == ()


async def test_a_report_that_the_store_refuses_holds_up_no_other(
    asterisk: AsteriskInstance, ami: Ami, store: Store
) -> None:
    new = NewOutgoing(SITE, "api", "one", "+15550100", "hello", dongle="gsm1")
    outgoing.enqueue(store, new, ["hello"], now=datetime.now(UTC))
    claim = outgoing_parts.claim(store, SITE, "gsm1", frozenset(), now=datetime.now(UTC))
    assert claim is not None
    for key, payload in (("1.1", "nul\0"), ("1.2", claim.payload)):
        parts = ("+15550100", payload, "1", "e", "", "", "0")
        await put(asterisk, spool.REPORTS, key, "|".join(["1775205000", "gsm1", *map(encoded, parts)]))
    told: list[Outgoing] = []
    await ReportReader(store, told.append).empty(ami)
    assert [message.phase for message in told] == ["Delivered"]
    assert await reports(ami) == ()
