"""What `validate` gives to think about, though it may be meant so."""

from typing import Any

import pytest

from dialplane.plan.advice import advice
from dialplane.plan.bot_advice import DATE_LANGUAGES, YES_NO_LANGUAGES
from dialplane.services.voicebot.dialogue.lexicon import LEXICONS
from tests.plan.office import manifest, snapshot

TENANT: dict[str, Any] = {
    "tenantId": "1",
    "apiUrl": "https://voice.example.com/api",
    "tokenSecretRef": {"name": "acme", "key": "token"},
    "extensionPool": {"numbers": ["8001-8002"]},
}
CALLBACK = {"callback": {"secretRef": {"name": "acme", "key": "callback"}}}


@pytest.mark.parametrize(
    ("more", "seconds"), [({}, "660"), ({"maxCallSeconds": 120}, "180"), ({"callTimeoutSeconds": 30}, "630")]
)
def test_a_tenant_without_a_callback_is_told_what_its_calls_hold(more: dict[str, Any], seconds: str) -> None:
    ((key, field, message),) = advice(snapshot([manifest("InfinityTenant", "acme", TENANT | more)], {}))
    assert (str(key), field) == ("InfinityTenant/acme", "spec.callback")
    assert f"for {seconds} seconds" in message


def test_a_tenant_with_a_callback_needs_no_advice() -> None:
    assert list(advice(snapshot([manifest("InfinityTenant", "acme", TENANT | CALLBACK)], {}))) == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({}, []),
        ({"emergencyExtension": "801"}, ["spec.testCall"]),
        ({"emergencyExtension": "801", "testCall": {"number": "770"}}, []),
    ],
)
def test_a_telephone_that_is_never_tried_is_said(spec: dict[str, Any], fields: list[str]) -> None:
    lift = manifest("ElevatorDevice", "lift-1", {"location": "Town hall"} | spec)
    assert [field for _, field, _ in advice(snapshot([lift], {}))] == fields


def _trunk(name: str, *routes: dict[str, Any]) -> dict[str, Any]:
    outbound = [{"permission": "national"} | route for route in routes]
    return manifest("SipTrunk", name, {"host": "192.0.2.1", "outbound": outbound})


@pytest.mark.parametrize(
    ("cheap", "dear", "fields"),
    [
        ({"pattern": "_0X.", "priority": 1}, {"pattern": "_03X.", "priority": 900}, ["spec.outbound[0].priority"]),
        ({"pattern": "_0X.", "priority": 1}, {"pattern": "_0X.", "priority": 900}, []),
        ({"pattern": "_0X.", "priority": 900}, {"pattern": "_03X.", "priority": 1}, []),
        ({"pattern": "_0X.", "priority": 1}, {"pattern": "_00X."}, []),
        ({"pattern": "_1X.", "priority": 1}, {"pattern": "_03X.", "priority": 900}, []),
    ],
)
def test_a_priority_that_cannot_count_is_said(cheap: dict[str, Any], dear: dict[str, Any], fields: list[str]) -> None:
    found = list(advice(snapshot([_trunk("cheap", cheap), _trunk("dear", dear)], {})))
    assert [field for _, field, _ in found] == fields
    assert {str(key) for key, _, _ in found} <= {"SipTrunk/dear"}


@pytest.mark.parametrize(
    ("route", "emergency", "said"),
    [
        ({"pattern": "_9X.", "strip": 1}, {}, "9911 leaves as 911"),
        ({"pattern": "_00X.", "strip": 2}, {}, "00911 leaves as 911"),
        ({"pattern": "_9X.", "strip": 1}, {"prefixes": ["9"]}, ""),
        ({"pattern": "_9X.", "strip": 1, "prepend": "+1"}, {}, ""),
        ({"pattern": "_9XXXX.", "strip": 1}, {}, ""),
        ({"pattern": "_NXX", "strip": 1}, {}, ""),
    ],
)
def test_an_emergency_number_behind_an_outside_line_is_said(
    route: dict[str, Any], emergency: dict[str, Any], said: str
) -> None:
    pbx = manifest("Asterisk", "pbx", {"emergency": {"numbers": ["911"], "trunks": ["a"]} | emergency})
    found = [message for _, _, message in advice(snapshot([pbx, _trunk("a", route)], {}))]
    assert len(found) == bool(said)
    assert all(said in message for message in found)


@pytest.mark.parametrize(
    ("networks", "phones", "fields"),
    [
        (["192.0.2.0/24"], "10.1.0.0/16", []),
        (["10.1.2.3"], "10.1.0.0/16", []),
        (["192.0.2.0/24", "10.1.0.0/16"], "10.1.0.0/16", ["spec.matchNetworks[1]"]),
        (["192.168.0.0/16"], "10.1.0.0/16", ["spec.matchNetworks[0]"]),
    ],
)
def test_a_trunk_that_takes_the_network_of_phones_is_said(networks: list[str], phones: str, fields: list[str]) -> None:
    phone = {"number": "101", "credentialsSecretRef": {"name": "p"}, "allowedNetworks": [phones]}
    trunk = manifest("SipTrunk", "a", {"host": "sip.example.com", "matchNetworks": networks})
    found = list(advice(snapshot([manifest("Extension", "e101", phone), trunk], {})))
    assert [field for _, field, _ in found] == fields


_ASKS = {
    "start": "one",
    "states": [
        {
            "name": "one",
            "collect": {"grammar": "date"},
            "transitions": [{"answered": True, "to": "two"}],
        },
        {"name": "two", "collect": {"grammar": "yesNo"}, "transitions": [{"answered": True, "to": "three"}]},
        {"name": "three", "action": {"hangup": True}},
    ],
}
_KEY = {"secretRef": {"name": "speech", "key": "key"}}
_SAYS = {"noInput": {"say": "?"}, "noMatch": {"say": "?"}}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"dialog": _ASKS}, []),
        ({"dialog": _ASKS, "language": "de"}, ["spec.noInput.say", "spec.noMatch.say"]),
        ({"dialog": _ASKS, "language": "de_AT", **_SAYS}, []),
        ({"dialog": _ASKS, "language": "fr", **_SAYS}, ["spec.dialog.states[0].collect.grammar"]),
        ({"dialog": _ASKS, "language": "pl", **_SAYS}, [f"spec.dialog.states[{at}].collect.grammar" for at in (0, 1)]),
        (
            {"realtime": {"provider": "openai", "instructions": "Be kind.", **_KEY}, "greeting": "Hello.", **_SAYS},
            ["spec.noMatch"],
        ),
        (
            {"engine": {"external": {"url": "https://bots.example.com"}}, "greeting": "Hello.", **_SAYS},
            ["spec.noMatch", "spec.greeting", "spec.noInput"],
        ),
    ],
)
def test_what_says_nothing_to_callers_of_a_bot_is_said(spec: dict[str, Any], fields: list[str]) -> None:
    bot = manifest("VoiceBot", "bot", {"fallback": {"to": {"hangup": True}}, **spec})
    assert [field for _, field, _ in advice(snapshot([bot], {}))] == fields


def test_the_languages_are_those_that_answers_are_understood_in() -> None:
    assert {name for name, words in LEXICONS.items() if words.yes and words.digits} == YES_NO_LANGUAGES
    assert {name for name, words in LEXICONS.items() if words.months} == DATE_LANGUAGES
