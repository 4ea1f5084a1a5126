"""Whoever Asterisk refuses is counted, and told of in few words; a flood of guesses is few words, too."""

import asyncio
import logging
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.errors import AuthenticationRefused
from dialplane.asterisk.message import Event
from dialplane.asterisk.security import KINDS, SecurityEvent, security_event
from dialplane.reconcile import refusals
from dialplane.reconcile.refusals import Refusals
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from testbed.manifests import manifest
from testbed.sip import SippPhone
from tests.asterisk.real_asterisk import address
from tests.reconcile.site_rig import Notices, Rig, extension, extensions

PBX, E101, E102 = Key("Asterisk", "pbx"), Key("Extension", "e101"), Key("Extension", "e102")


def site(*numbers: str) -> Snapshot:
    made = [parse(manifest("Asterisk", "pbx")), *(parse(extension(number)) for number in numbers)]
    return Snapshot("test", {resource.key: resource for resource in made})


class Bench:
    def __init__(self, *numbers: str) -> None:
        self.notices, snapshot = Notices(), site(*numbers)
        self.refusals = Refusals(self.notices, lambda: snapshot)

    def hear(self, account: str, times: int = 1, *, kind: str = "InvalidPassword", network: str = "") -> None:
        for _ in range(times):
            self.refusals.hear(SecurityEvent(kind, "PJSIP", account, network))

    def tell(self, now: float) -> list[tuple[str, int]]:
        """Names and counts of what is told at that moment."""
        before = len(self.notices.told)
        self.refusals.tell(now)
        return [(key.name, notice.times) for key, notice in self.notices.told[before:]]


def test_a_resource_is_told_of_once_in_a_while_with_all_that_happened_meanwhile() -> None:
    bench = Bench("101")
    bench.hear("101", 3)
    assert bench.tell(10) == [("e101", 3)]
    bench.hear("101", 1000)
    assert bench.tell(11) == bench.tell(10 + refusals.AGAIN - 1) == []
    assert bench.tell(10 + refusals.AGAIN) == [("e101", 1000)]
    assert bench.tell(10_000) == []
    assert not bench.refusals._heaps


async def test_a_carrier_that_is_refused_is_told_at_its_trunk_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "TICK", 0.01)
    trunk = parse(manifest("SipTrunk", "carrier", host="localhost"))
    of = Snapshot("test", {trunk.key: trunk, **site("101").resources})
    notices = Notices()
    heard = Refusals(notices, lambda: of)
    running = asyncio.create_task(heard.run())
    try:
        async with asyncio.timeout(10):
            while trunk.key not in dict(notices.told):
                heard.hear(SecurityEvent("InvalidAccountID", "PJSIP", "+15550100", "127.0.0.0/24", "127.0.0.1"))
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    told = dict(notices.told)[trunk.key]
    assert told.reason == refusals.REQUEST_REFUSED
    assert "list the address in matchNetworks" in told.message


def test_a_flood_over_all_accounts_is_told_a_few_at_a_time_and_forgets_none() -> None:
    numbers = [str(number) for number in range(1000, 1100)]
    bench = Bench(*numbers)
    for number in numbers:
        bench.hear(number, 7)
    told = [bench.tell(float(second)) for second in range(30)]
    assert max(map(len, told)) == refusals.AT_ONCE
    assert Counter(name for some in told for name, _ in some) == dict.fromkeys([f"e{n}" for n in numbers], 1)


def test_accounts_that_are_made_up_cost_no_more_memory_than_some() -> None:
    bench = Bench("101")
    for number in range(100_000):
        bench.hear(f"guess{number}", kind="InvalidAccountID", network=f"2001:db8:{number % 60_000:x}::/64")
    assert len(bench.refusals._heaps) == 1
    heap = bench.refusals._heaps[PBX]
    assert max(len(heap.accounts), len(heap.networks)) <= refusals.DIFFERENT + 1
    bench.tell(0)
    ((key, notice),) = bench.notices.told
    assert (key, notice.times) == (PBX, 100_000)
    assert len(notice.message) < 400
    assert notice.message.endswith("as guess0, guess1, guess2 and others")


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("InvalidPassword", "AuthenticationFailed", "refused: wrong password (1)"),
        ("ChallengeResponseFailed", "AuthenticationFailed", "refused: wrong password (1)"),
        ("FailedACL", "RequestRefused", "refused: address not allowed (1)"),
        ("SessionLimit", "RequestRefused", "refused: SessionLimit (1)"),
    ],
)
def test_each_kind_has_its_reason(kind: str, reason: str, words: str) -> None:
    bench = Bench("101")
    bench.hear("101", kind=kind)
    bench.tell(0)
    ((key, notice),) = bench.notices.told
    assert (key, notice.reason, notice.message) == (E101, reason, words)


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("101", "101"),
        ("<unknown>", ""),
        ("", ""),
        ("a\nMessage: forged", "a?Message??forged"),
        ("<script>\x1b[31m", "?script???31m"),
        ("ü\udcff\u202e", "???"),
        ("1" * 5000, "1" * 39 + "…"),
    ],
)
def test_a_made_up_account_is_harmless_text(account: str, shown: str) -> None:
    event = Event({"event": "InvalidAccountID", "service": "PJSIP", "accountid": account})
    assert security_event(event).account == shown


@pytest.mark.parametrize(
    ("said", "network"),
    [
        ("IPV4/UDP/192.0.2.77/5060", "192.0.2.0/24"),
        ("IPV6/TLS/2001:db8:1:2:3::4/5061", "2001:db8:1:2::/64"),
        ("IPV6/TCP/[2001:db8:1:2:3::4]/5061", "2001:db8:1:2::/64"),
        ("IPV6/UDP/fe80::1%eth0/5060", "fe80::/64"),
        ("", ""),
        ("nonsense", ""),
        ("IPV4/UDP/; rm/1", ""),
    ],
)
def test_an_address_is_told_as_its_network(said: str, network: str) -> None:
    event = Event({"event": "FailedACL", "service": "PJSIP", "remoteaddress": said})
    assert security_event(event).network == network


def test_no_challenge_is_in_a_repr() -> None:
    secret = dict.fromkeys(("challenge", "response", "expectedresponse", "receivedhash", "receivedchallenge"), "abc123")
    assert "abc123" not in repr(Event({"event": "ChallengeResponseFailed", **secret}))


GUESSES = 2_000
UNIDENTIFIED = 7
"""Asterisk reports an address that is nobody's from the sixth request in five seconds on: credentials may come yet."""


def counted(kind: str, service: str = "PJSIP") -> float:
    return REGISTRY.get_sample_value("dialplane_security_events_total", {"kind": kind, "service": service}) or 0.0


async def until_told(rig: Rig, number: int) -> None:
    await rig.until(lambda: len(rig.notices.told) >= number)


async def test_asterisk_refuses_and_the_right_resource_is_told(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101]), extension("102", allowedNetworks=["192.0.2.0/24"]))
        rig.run()
        await rig.settled()
        before, before_ami = {kind: counted(kind) for kind in KINDS}, counted("InvalidAccountID", "AMI")
        with capture_logs() as logs:
            assert not await rig.registers("101", "pass-word-guessed")
            await until_told(rig, 1)
            assert not await rig.registers("102", "secret-102")
            await until_told(rig, 2)
            for _ in range(UNIDENTIFIED):
                assert not await rig.registers("900", "pass-word-guessed")
            stranger = address(rig.asterisk)
            with pytest.raises(AuthenticationRefused):
                async with Ami.connect(AmiAddress("127.0.0.1", "root", stranger.secret, stranger.port)):
                    pass
            await until_told(rig, 3)
            await rig.until(lambda: counted("InvalidAccountID", "AMI") > before_ami)
        told = dict(rig.notices.told)
        assert told[E101].message == "refused: wrong password (1); from 127.0.0.0/24"
        assert told[E102].reason == refusals.REQUEST_REFUSED
        assert re.fullmatch(r"refused: address not allowed \(\d\); from 127.0.0.0/24", told[E102].message)
        assert told[PBX].message.startswith("refused: unknown account (")
        assert "as 900" in told[PBX].message
        assert counted("ChallengeResponseFailed") >= before["ChallengeResponseFailed"] + 1
        assert counted("InvalidAccountID") > before["InvalidAccountID"]
        assert counted("FailedACL") > before["FailedACL"]
        lines = [line for line in logs if line["event"] == "refused"]
        assert [line["resource"] for line in lines] == [str(key) for key, _ in rig.notices.told]
        assert "guessed" not in str(logs)
        assert not re.search(r"[0-9a-f]{32}", str(logs))  # a digest, a challenge
        assert await rig.registers("101", "secret-101")
        assert counted("SuccessfulAuth") == counted("ChallengeSent") == 0


async def test_a_thousand_guesses_a_second_are_a_few_words(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions(range(100, 120)))
        rig.run()
        await rig.settled()
        before, dropped = (
            counted("ChallengeResponseFailed"),
            REGISTRY.get_sample_value("dialplane_ami_events_dropped_total"),
        )
        server = ("127.0.0.1", rig.asterisk.sip_port)
        with SippPhone(tmp_path / "guesser", user="101", password="guessed", server=server) as guesser:
            cpu, started = time.process_time(), time.monotonic()
            result = await guesser.guess(times=GUESSES, a_second=1_000)
            cpu, seconds = time.process_time() - cpu, time.monotonic() - started
        await rig.until(lambda: counted("ChallengeResponseFailed") - before >= GUESSES)
        await asyncio.sleep(2 * refusals.TICK)
        guesses = counted("ChallengeResponseFailed") - before
        logging.getLogger("figures").warning(
            "guesses: %d in %.1f s, cpu %.0f us each, %d told",
            guesses,
            seconds,
            cpu / guesses * 1e6,
            len(rig.notices.told),
        )
        assert result.ok, result.errors[-500:]
        assert guesses >= GUESSES
        assert REGISTRY.get_sample_value("dialplane_ami_events_dropped_total") == dropped
        assert len(rig.notices.told) == 1  # the others are told in five minutes
        assert rig.notices.told[0][0] == E101
        assert await rig.registers("101", "secret-101")
