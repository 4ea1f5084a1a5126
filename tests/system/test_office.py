"""The example site through both doors: what its phones, its carrier and its owner experience."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ruamel.yaml import YAML

from testbed.certificates import Authority
from testbed.mail_server import PASSWORD, USER
from testbed.manifests import Manifest, condition, manifest
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK
from testbed.sip import SippPhone
from tests.system.conftest import DOORS
from tests.system.doors import ROOT, is_false, is_true
from tests.system.pbx import extension
from tests.system.world import World, rings

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = Authority.create("Authority of the office")
GRANTED_SECONDS = 15
REFUSAL_SEEN_SECONDS = 5


def office(world: World) -> tuple[list[Manifest], dict[str, dict[str, str]]]:
    """The example as it is, but for where Asterisk and the carrier listen."""
    folder = ROOT / "examples/office"
    manifests = [m for path in sorted(folder.glob("*.yaml")) for m in YAML(typ="safe").load_all(path.read_text())]
    own = world.pbx()["spec"]
    for each in manifests:
        if each["kind"] == "Asterisk":
            each["spec"] |= own
        if each["kind"] == "SipTrunk":
            each["spec"]["host"], each["spec"]["port"] = world.carriers["carrier"].address
    secrets = {m["metadata"]["name"]: dict(m["stringData"]) for m in manifests if m["kind"] == "Secret"}
    return [m for m in manifests if m["kind"] != "Secret"], secrets


def example_password(number: str) -> str:
    return f"example-password-of-{number}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mail(fresh: World) -> AsyncIterator[PeerProcess]:
    """A mail server that shows a certificate for itself."""
    directory = fresh.directory
    pair = AUTHORITY.vouch(f"IP:{LOOPBACK}")
    (directory / "server.pem").write_text(pair.certificate + pair.key)
    options = {"certificate": directory / "server.pem"}
    async with await PeerProcess.launch("mail_server", directory / "mail.log", options, name="mail") as peer:
        yield peer


def mailed(world: World, manifests: list[Manifest], mail: PeerProcess) -> dict[str, dict[str, str]]:
    """Have the Asterisk of the site mail and record; the Secrets for it."""
    calls = world.asterisk.settings.calls
    server = {"host": LOOPBACK, "port": mail.address[1], "credentialsSecretRef": {"name": "mail"}}
    server["caSecretRef"] = {"name": "authority"}
    spool = world.asterisk.settings.directories.spool
    about = {"from": "pbx@example.com", "server": server}
    for pbx in (each for each in manifests if each["kind"] == "Asterisk"):
        pbx["spec"] |= {
            "ami": {"callsCredentialsSecretRef": {"name": "calls"}},
            "recording": {"path": str(spool / "monitor"), "retentionDays": 30},
            "voicemail": {"path": str(spool / "voicemail"), "mail": about},
        }
    return {
        "calls": {"username": calls.name, "password": calls.secret},
        "mail": {"username": USER, "password": PASSWORD},
        "authority": {"ca.crt": AUTHORITY.certificate},
        "pin": {"pin": "4711"},
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(fresh: World, mail: PeerProcess) -> AsyncIterator[World]:
    await fresh.carrier(username="example-account", password="example-carrier-password")
    await fresh.carrier("second", lifetime=GRANTED_SECONDS)
    manifests, secrets = office(fresh)
    # What the example has not: a phone that may dial nothing, and a line without a catch-all.
    lift = extension("105", ())
    box = {"pinSecretRef": {"name": "pin", "key": "pin"}, "email": "box@example.com", "deleteAfterEmail": True}
    desk = extension("106", voicemail=box)
    archive = extension("107", record="always")
    second = fresh.trunk("second", inbound=[{"did": "+493066601104", "to": {"extension": "104"}}])
    secrets["phone-105"] = {"username": "105", "password": example_password("105")}
    secrets["phone-106"] = {"username": "106", "password": example_password("106")}
    secrets["phone-107"] = {"username": "107", "password": example_password("107")}
    secrets["second"] = {"username": "second", "password": "secret-of-second"}
    secrets |= mailed(fresh, manifests, mail)
    await fresh.door.apply([*manifests, lift, desk, archive, second], secrets)
    await fresh.door.wait_ready()
    await fresh.door.until("Extension", "e106", is_true("MailDeliverable"))
    yield fresh


@pytest_asyncio.fixture(loop_scope="module")
async def running(site: World) -> AsyncIterator[World]:
    yield site
    await site.quiet()


async def phone_of(site: World, number: str) -> Any:
    """That phone of the example, registered and answering."""
    phone = await site.phone(number, example_password(number))
    assert (await phone.ask("register"))["code"] == 200
    await phone.ask("answer", code=200, ring_seconds=0.1)
    return phone


async def test_every_resource_is_ready_and_says_of_which_version(running: World) -> None:
    seen = await running.door.seen()
    assert set(seen) == set(running.door.specs)
    for name, resource in seen.items():
        for kind in ("Accepted", "Ready"):
            found = condition(resource, kind)
            assert found["status"] == "True", (name, found)
            assert found["observedGeneration"] == resource["metadata"]["generation"], name
        assert resource["status"]["observedGeneration"] == resource["metadata"]["generation"], name


async def test_two_sipp_phones_register_and_talk_both_ways(running: World, tmp_path: Path) -> None:
    with (
        SippPhone(tmp_path / "101", user="101", password=example_password("101"), server=running.server) as reception,
        SippPhone(tmp_path / "102", user="102", password=example_password("102"), server=running.server) as sales,
    ):
        for phone in (reception, sales):
            registered = await phone.register()
            assert registered.ok, registered.errors
        await running.door.until("Extension", "sales", is_true("Registered"))
        answering = await sales.answer()
        called = await reception.call("102", talk_seconds=2)
        answered = await answering.result()
        assert called.ok, called.errors
        assert answered.ok, answered.errors
        assert min(called.rtp_received or 0, answered.rtp_received or 0) > 50
        for phone in (reception, sales):
            assert (await phone.unregister()).ok
    await running.door.until("Extension", "sales", is_false("Registered"))


async def test_the_trunk_registers_and_its_status_says_so(running: World) -> None:
    seen = await running.carriers["carrier"].event("register", code=200, username="example-account")
    assert seen["right"]
    status = await running.door.until("SipTrunk", "carrier", is_true("Registered"))
    assert status["registration"]["state"] == "Registered"


async def test_a_direct_number_rings_its_extension(running: World) -> None:
    door = await phone_of(running, "104")
    for name, number, account in (
        ("carrier", "+493055501104", "example-account"),
        ("second", "+493066601104", "second"),
    ):
        carrier = running.carriers[name]
        await carrier.event("register", code=200)
        before = len(door.events)
        call = await carrier.ask(
            "call", number=number, uri="contact+number", username=account, from_user="+441234567890"
        )
        assert call["code"] == 200
        heard = await door.event("call", after=before, state="answered")
        assert heard["other"] == "+441234567890"
        await carrier.ask("hangup")


async def test_an_unknown_number_is_refused(running: World) -> None:
    carrier = running.carriers["second"]
    await carrier.event("register", code=200)
    call = await carrier.ask("call", number="+493066601999", uri="contact+number", username="second")
    assert call["code"] == 404


@pytest.mark.parametrize(
    ("number", "dialled", "sent"),
    [
        ("101", "0044123456", "+44123456"),
        ("102", "0301234567", "+49301234567"),
        ("103", "55501", "+493055501"),
    ],
)
async def test_the_carrier_gets_the_number_as_the_route_writes_it(
    running: World, number: str, dialled: str, sent: str
) -> None:
    phone, carrier = await phone_of(running, number), running.carriers["carrier"]
    before = len(carrier.events)
    assert (await phone.ask("call", number=dialled))["code"] == 200
    seen = await carrier.event("call", after=before, state="answered")
    assert seen["number"] == sent
    await phone.ask("hangup")


@pytest.mark.parametrize(
    ("number", "dialled"), [("102", "0044123456"), ("103", "0301234567"), ("104", "55501"), ("105", "0044123456")]
)
async def test_a_phone_without_the_permission_is_refused(running: World, number: str, dialled: str) -> None:
    carrier = running.carriers["carrier"]
    before = len(carrier.events)
    call = await (await phone_of(running, number)).ask("call", number=dialled)
    assert call["code"] == 403
    assert not rings(carrier, before)


@pytest.mark.parametrize("number", ["101", "102", "103", "104", "105"])
async def test_every_phone_reaches_the_emergency_number(running: World, number: str) -> None:
    phone, carrier = await phone_of(running, number), running.carriers["carrier"]
    before = len(carrier.events)
    assert (await phone.ask("call", number="112"))["code"] == 200
    seen = await carrier.event("call", after=before, state="answered")
    assert (seen["number"], seen["other"]) == ("112", "+493055501000")
    await phone.ask("hangup")


async def test_a_phone_that_hides_its_number_makes_its_calls(running: World) -> None:
    """Asterisk was started before it knew the site: what it does by its start's settings is seen here."""
    called, phone = await phone_of(running, "102"), await phone_of(running, "101")
    assert (await phone.ask("call", number="102", from_user="anonymous"))["code"] == 200
    assert (await called.ask("calls"))["calls"][-1]["other"] == "101"
    await phone.ask("hangup")
    assert (await phone.ask("call", number="112", from_user="anonymous"))["code"] == 200
    seen = (await running.carriers["carrier"].ask("calls"))["calls"][-1]
    assert (seen["number"], seen["other"]) == ("112", "+493055501000")
    await phone.ask("hangup")


async def test_a_refusal_of_the_carrier_shows_within_seconds_and_heals(
    running: World, record_property: Callable[[str, object], None]
) -> None:
    carrier, door = running.carriers["second"], running.door
    await door.until("SipTrunk", "second", is_true("Registered"))
    before = len(carrier.events)
    await carrier.ask("refuse", code=403)
    refused = await carrier.event("register", after=before, code=403, limit_seconds=GRANTED_SECONDS + 5)
    status = await door.until("SipTrunk", "second", is_false("Registered"), limit_seconds=REFUSAL_SEEN_SECONDS)
    seconds = time.time() - refused["at"]
    record_property("seconds_to_registered_false", round(seconds, 2))
    assert seconds < REFUSAL_SEEN_SECONDS
    assert condition({"status": status}, "Registered")["reason"] == "RegistrationRejected"
    assert condition({"status": status}, "Ready")["status"] == "True"
    await carrier.ask("refuse", code=0)
    await door.until("SipTrunk", "second", is_true("Registered"), limit_seconds=20)


async def test_a_carrier_that_went_away_leaves_the_phones_alone(running: World) -> None:
    """The line being down is no business of the phones: they are Ready and talk."""
    carrier = running.carriers["second"]
    await carrier.stop()
    caller, callee = await phone_of(running, "101"), await phone_of(running, "103")
    assert (await caller.ask("call", number="103"))["code"] == 200
    await caller.ask("hangup")
    await callee.event("call", state="ended", limit_seconds=5)
    await running.door.wait_ready()


async def test_a_recording_that_asterisk_cannot_write_is_told_before_a_call_is_lost(running: World) -> None:
    spec = running.door.specs["Asterisk", "office"]
    folder = running.asterisk.settings.directories.spool / "elsewhere"
    folder.write_text("no folder")
    await running.door.apply([manifest("Asterisk", "office", **(spec | {"recording": {"path": str(folder)}}))])
    status = await running.door.until("Extension", "e107", is_false("Ready"))
    (ready,) = (c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "RecordingFailed"
    folder.unlink()
    await running.door.until("Extension", "e107", is_true("Ready"))


@pytest.mark.parametrize("door_kind", DOORS[:1], indirect=True, scope="module")  # the operator waits for the lease
async def test_a_voice_message_is_mailed_whatever_becomes_of_the_controller(running: World, mail: PeerProcess) -> None:
    """A call into a real mailbox; the controller is killed while the server has the mail and has not taken it yet."""
    await mail.ask("behave", hang=3.0)
    caller = await phone_of(running, "102")
    call = await caller.ask("call", number="106")
    inbox = running.asterisk.settings.directories.spool / "voicemail" / "default" / "106" / "INBOX"
    async with asyncio.timeout(30):
        while not any((inbox.parent / "tmp").glob("*.wav")):
            await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # what is shorter than two seconds is no message
    await caller.ask("hangup", call=call["call"])
    first = await mail.event("received", limit_seconds=30)
    await running.door.kill()
    await mail.ask("behave")
    digest = hashlib.sha256(next(inbox.glob("*.wav")).read_bytes()).hexdigest()
    await running.door.start()
    async with asyncio.timeout(30):
        while list(inbox.glob("*.txt")):
            await asyncio.sleep(0.1)
    received = [event for event in mail.events if event["event"] == "received"]
    assert len(received) == 2, "once before the crash, once after it"
    for event in received:
        assert event["headers"]["Message-ID"] == first["headers"]["Message-ID"]
        assert (event["to"], [part["sha256"] for part in event["attachments"]]) == (["box@example.com"], [digest])
    assert "from 102" in first["subject"].replace('"Sales" <102>', "102")
