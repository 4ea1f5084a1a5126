"""Which bots there are to be, and how they are served, by what replicas report."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from dialplane.resources.problem import Reason
from dialplane.services.contract import ReplicaState
from dialplane.services.site_secrets import SiteSecrets
from dialplane.services.voicebot.desired import AriAddress, DesiredBots
from dialplane.services.voicebot.leader.applications import listed, open_applications
from dialplane.services.voicebot.leader.bots import GRACE_SECONDS, BotReplicas, Served, desired_bots
from dialplane.services.voicebot.reported import APPLICATION, ApplicationState, BotState, application_name
from tests.databases import NOW
from tests.voicebot.leader.bots import NOBODY, asterisk, bot, view

NONE = DesiredBots()


def desired(*resources: Any, before: DesiredBots = NONE, **of_site: Any) -> DesiredBots:
    seen = view(*resources, **of_site)
    return desired_bots(seen, SiteSecrets(lambda: seen), before)


DESK = desired(bot())
DIGEST = DESK.bots["desk"].digest
READY = BotState(DIGEST, ready=True)
FAILED = BotState(DIGEST, ready=False, reason="SpeechUnavailable", message="the key is refused")


def test_the_bots_are_those_that_the_plan_accepts_and_that_are_enabled() -> None:
    found = desired(bot(), bot("night", enabled=False), refused=[bot("broken")])
    assert found.ari == AriAddress(NOBODY, "ari")
    assert set(found.bots) == {"desk"}


def test_a_bot_is_another_one_with_another_spec_zone_or_secret_and_else_the_same_object() -> None:
    key = {"provider": "elevenlabs", "secretRef": {"name": "voice", "key": "key"}}
    first = desired(bot(textToSpeech=key), voice={"key": "one"})
    assert desired(bot(textToSpeech=key), voice={"key": "one"}, before=first).bots["desk"] is first.bots["desk"]
    others = [
        desired(bot(textToSpeech=key, language="de"), voice={"key": "one"}, before=first),
        desired(bot(textToSpeech=key), voice={"key": "one"}, pbx=asterisk(timeZone="Europe/Berlin"), before=first),
        desired(bot(textToSpeech=key), voice={"key": "two"}, before=first),
    ]
    assert len({each.bots["desk"].digest for each in (first, *others)}) == 4


def states(*of_desk: BotState, applications: int = 0) -> dict[str, Sequence[ReplicaState]]:
    found: dict[str, Sequence[ReplicaState]] = {}
    if of_desk:
        found["bot/desk"] = [ReplicaState(f"b{n}", each.to_json(), NOW) for n, each in enumerate(of_desk)]
    if applications:
        opened = ApplicationState(application_name("b0"), open=True).to_json()
        found[APPLICATION] = [ReplicaState("b0", opened, NOW)] * applications
    return found


CASES = {
    "a replica has proven it": (states(READY), Served(ready=True)),
    "one of two has": (states(FAILED, READY), Served(ready=True)),
    "none has": (states(FAILED), Served(ready=False, reason=Reason.SPEECH_UNAVAILABLE, message="the key is refused")),
    "a reason of a later version": (
        states(BotState(DIGEST, ready=False, reason="Later", message="something")),
        Served(ready=False, reason=Reason.MEDIA_FAILED, message="something"),
    ),
    "another version": (states(BotState("other", ready=True)), Served(ready=None)),
    "not tried yet": (states(BotState(DIGEST, ready=False, reason="Unknown", message="not yet")), Served(ready=None)),
    "one failed, one has not tried": (
        states(BotState(DIGEST, ready=False, reason="Unknown"), FAILED),
        Served(ready=False, reason=Reason.SPEECH_UNAVAILABLE, message="the key is refused"),
    ),
    "one only ends its calls": (states(BotState("", ready=False, calls=1)), Served(ready=False, reason=Reason.NO_BOT)),
    "one only ends its calls, another has proven it": (states(BotState("", ready=False), READY), Served(ready=True)),
    "nothing yet": (states(applications=1), Served(ready=None)),
    "no replica": ({}, Served(ready=False, reason=Reason.NO_BOT)),
}


@pytest.mark.parametrize(("reported", "expected"), CASES.values(), ids=CASES.keys())
def test_a_bot_is_served_where_a_living_replica_has_proven_this_version(
    reported: dict[str, Sequence[ReplicaState]], expected: Served
) -> None:
    replicas = BotReplicas()
    replicas.look(reported, DESK, 0)
    found = replicas.served["desk"]
    assert (found.ready, found.reason) == (expected.ready, expected.reason)
    assert found.message.startswith(expected.message)
    assert found.ready or found.message
    assert replicas.complete == (expected.ready is not None and bool(reported))


def test_the_last_replica_may_be_started_again() -> None:
    replicas = BotReplicas()
    replicas.look(states(READY, applications=1), DESK, 0)
    assert not replicas.look({}, DESK, 100)
    assert not replicas.look({}, DESK, 100 + GRACE_SECONDS - 1)
    assert not replicas.look(states(READY), DESK, 100 + GRACE_SECONDS)
    assert not replicas.look({}, DESK, 200)
    assert replicas.look({}, DESK, 200 + GRACE_SECONDS)
    assert replicas.served["desk"].reason is Reason.NO_BOT


def test_another_version_is_not_served_by_what_served_the_one_before() -> None:
    replicas = BotReplicas()
    replicas.look(states(READY), DESK, 0)
    assert replicas.look({}, desired(bot(language="de")), 1)
    assert replicas.served["desk"].ready is False


def test_calls_are_those_of_all_replicas() -> None:
    replicas = BotReplicas()
    here, there = (BotState(digest, ready=True, calls=calls) for digest, calls in ((DIGEST, 2), ("before", 3)))
    assert replicas.look(states(here, there), DESK, 0)
    assert replicas.calls == {"desk": 5}


def test_the_list_of_applications_is_one_that_the_dialplan_reads_whole() -> None:
    names = [application_name(f"Pod_{number}.Example-{'x' * 80}") for number in range(60)]
    value = listed(names)
    assert 3700 < len(value) < 4096
    assert set(value.split("&")) < set(names)
    assert re.fullmatch(r"[a-z0-9&-]+", value)  # as FILTER() in the routine
    assert listed(["b", "a"]) == "a&b"
    assert listed([]) == ""


@pytest.mark.parametrize(
    "state", [None, {}, [], "open", {"name": "dialplane-bot-x"}, {"digest": DIGEST, "ready": True}]
)
def test_what_a_replica_of_another_version_reports_counts_for_nothing(state: Any) -> None:
    strange = ReplicaState("b9", state, NOW)
    opened, proven = states(READY, applications=1)[APPLICATION], states(READY)["bot/desk"]
    assert len(open_applications({APPLICATION: [strange, *opened]})) == 1
    replicas = BotReplicas()
    replicas.look({"bot/desk": [strange, *proven]}, DESK, 0)
    assert replicas.served["desk"].ready
