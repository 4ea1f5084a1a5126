"""Bots in the dialplan: how callers get there, where they go on, and that nobody else's lines differ."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.plan.dialplan.voice_bots import ROUTINES, VOICE_BOT
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.plan.voice_bots import Bot, next_code
from dialplane.reconcile.template_dir import load
from dialplane.resources.conditions import JSON
from tests.plan.dialplan.sites import REALTIME, bot, contexts, extension, lines, site, trunk
from tests.plan.office import manifest, snapshot
from tests.plan.rich import MANIFESTS, SECRETS

PLANNER = Planner(load())
ARI = {"ari": {"credentialsSecretRef": {"name": "ari"}}}
GROUP = {"ringGroup": {"members": ["101", "102"], "ringSeconds": 20, "noAnswer": {"voicemail": "101"}}}
BOX = {"voicemail": {"pinSecretRef": {"name": "pins", "key": "pin"}}}
PHONES = (extension("101", **BOX), extension("102"))
Manifest = dict[str, JSON]


def transferring(name: str, **ways: Any) -> Bot:
    """A bot with a transfer for each way."""
    listed = [{"name": each, "description": each, "to": to} for each, to in ways.items()]
    return bot(name, realtime=REALTIME | {"transfers": listed})


def asking(name: str, states: list[dict[str, Any]], **spec: Any) -> Bot:
    return bot(name, realtime=None, dialog={"start": states[0]["name"], "states": states}, **spec)


def planned(*bots: Manifest) -> Plan:
    """The rich site with bots, and with ARI."""
    with_ari = [
        one | {"spec": one["spec"] | ARI} if one["kind"] == "Asterisk" else one  # type: ignore[operator,misc]
        for one in MANIFESTS
    ]
    secrets = SECRETS | {"ari": {"username": "ari", "password": "of ari"}, "openai": {"key": "of openai"}}
    return PLANNER.plan(snapshot([*with_ari, *bots], secrets))


def voice_bot(name: str = "desk", **spec: Any) -> Manifest:
    said = {"realtime": REALTIME, "fallback": {"to": {"extension": "101"}}} | spec
    return manifest("VoiceBot", name, said, creationTimestamp="2026-01-01T00:00:00Z")


def test_a_site_without_bots_has_nothing_of_them() -> None:
    plan = planned()
    assert "dpbot" not in plan.files["extensions.conf"]
    assert "rtp_keepalive" not in plan.files["pjsip_endpoint.conf"]


def test_a_bot_changes_nobody_elses_dialplan() -> None:
    before, after = planned(), planned(voice_bot())
    now = {c.name: c for c in after.objects.contexts}
    assert [c.name for c in before.objects.contexts if now[c.name] != c] == []
    assert now.keys() - {c.name for c in before.objects.contexts} == {
        "dp-voicebots",
        "dp-voicebot-media",
        "dp-bot-desk",
        VOICE_BOT.context,
    }


def test_its_number_is_dialled_by_those_who_may_call_inside() -> None:
    of = site([extension("101"), extension("104", permissions=["local"])], bots=[bot("desk", number="890")])
    assert lines(of, "dp-voicebot-numbers") == {"890": "Goto(dp-voicebots,desk,1)"}
    found = contexts(of)
    assert found["dp-cos-internal"].includes[-2:] == ("dp-voicebot-numbers", "dp-outbound-none")
    assert "dp-voicebot-numbers" not in found["dp-cos-local"].includes


@pytest.mark.parametrize(
    ("fallback", "address"),
    [
        ({"extension": "101"}, "dp-internal,101"),
        ({"voicemail": "101"}, "dp-voicemail,101"),
        ({"number": "0301234567"}, "dp-outbound-international-local-national,0301234567"),
        ({"ringGroup": {"members": ["101"]}}, "dp-voicebot-groups,desk-fallback"),
        ({"hangup": True}, "dp-end,s"),
        ({"extension": "109"}, "dp-end,s"),
        ({"voicemail": "102"}, "dp-end,s"),
    ],
)
def test_whatever_the_bot_does_its_callers_have_a_way_on(fallback: dict[str, Any], address: str) -> None:
    """Also where the bot is not served."""
    routes = [trunk("a", outbound=[{"pattern": "_0X.", "permission": "national"}])]
    for served in (True, False):
        of = site(PHONES, routes, bots=[bot("desk", served=served, fallback={"to": fallback})])
        wanted = f"Gosub(dp-voice-bot,s,1(desk,10,900,{address}))" if served else f"Goto({address},1)"
        assert lines(of, "dp-voicebots") == {"desk": wanted}


def test_transfers_stand_there_by_their_numbers() -> None:
    of = site(PHONES, bots=[transferring("desk", sales={"extension": "102"}, all=GROUP, gone={"extension": "109"})])
    assert lines(of, "dp-bot-desk") == {
        str(next_code("hangup")): "Gosub(dp-end,s,1())",
        str(next_code("sales")): "Goto(dp-internal,102,1)",
        str(next_code("all")): f"Goto(dp-voicebot-groups,desk-{next_code('all')},1)",
    }
    members = "Local/101@dp-members&Local/102@dp-members"
    assert lines(of, "dp-voicebot-groups") == {
        f"desk-{next_code('all')}": f"Gosub(dp-ring-all,s,1({members},20,dp-voicemail,101))"
    }


def test_a_state_that_transfers_is_one_of_them() -> None:
    of = site(
        PHONES,
        bots=[
            asking(
                "desk",
                [
                    {"name": "hello", "say": {"text": "Hello."}, "next": "sales"},
                    {"name": "sales", "action": {"transfer": {"to": {"extension": "102"}}}},
                ],
            )
        ],
    )
    assert lines(of, "dp-bot-desk")[str(next_code("sales"))] == "Goto(dp-internal,102,1)"
    assert str(next_code("hello")) not in lines(of, "dp-bot-desk")


def test_bots_are_reached_from_wherever_calls_are_sent() -> None:
    to = {"voiceBot": "desk"}
    group = {"ringGroup": {"members": ["101"], "noAnswer": to}}
    inbound = [{"did": "1", "to": to}, {"did": "2", "to": group}, {"did": "3", "to": {"voiceBot": "gone"}}]
    of = site(PHONES, [trunk("a", matchNetworks=["192.0.2.1"], inbound=inbound)], bots=[bot("desk")])
    found = lines(of, "dp-from-a")
    assert found["1"] == "Gosub(dp-inbound,s,1(a,dp-voicebots,desk))"
    assert lines(of, "dp-groups-a")["2"].endswith("30,dp-voicebots,desk))")
    assert found["3"] == "Hangup(1)"


def test_a_bot_that_is_not_served_needs_no_more_of_asterisk() -> None:
    found = contexts(site(PHONES, bots=[bot("desk", served=False, number="890")]))
    assert not {each.context for each in ROUTINES} & found.keys()
    assert "dp-bot-desk" not in found


@pytest.mark.parametrize(
    "spec",
    [
        {"enabled": False},
        {"realtime": REALTIME | {"secretRef": {"name": "none", "key": "key"}}},
        {"realtime": None, "dialog": {"start": "gone", "states": [{"name": "bye", "action": {"hangup": True}}]}},
    ],
)
def test_callers_of_a_bot_that_is_out_go_to_its_fallback(spec: dict[str, Any]) -> None:
    route = {"did": "7", "to": {"voiceBot": "desk"}}
    way_in = manifest("SipTrunk", "in", {"host": "192.0.2.9", "matchNetworks": ["192.0.2.9"], "inbound": [route]})
    plan = planned(voice_bot(**spec), way_in)
    assert "desk" not in {key.name for key in plan.versions if key.kind == "VoiceBot"}
    assert "exten => desk,1,Goto(dp-internal,101,1)" in plan.files["extensions.conf"]
    assert plan.problems.get(next(key for key in plan.versions if key.name == "in"), ()) == ()


def test_of_names_that_asterisk_cannot_tell_apart_the_served_one_is_there() -> None:
    plan = planned(voice_bot("a-b"), voice_bot("ab", enabled=False))
    assert re.findall(r"^exten => (a-?b),1,", plan.files["extensions.conf"], re.MULTILINE) == ["a-b"]


def test_silence_of_a_bot_cuts_nobody_off() -> None:
    """Every endpoint that a caller or a callee may be at, and no other object."""
    before, after = planned(), planned(voice_bot())
    silent = {o.name for o in after.objects.pjsip if ("rtp_keepalive", "2") in o.options}
    assert silent == {
        o.name for o in after.objects.pjsip if o.name.startswith("endpoint/") and not o.name.startswith("endpoint/dp_w")
    }
    others = {o for o in before.objects.pjsip if o.name not in silent}
    assert others <= set(after.objects.pjsip)


WORDS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)


@given(WORDS, st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True), max_size=5, unique=True))
def test_whatever_follows_a_bot_is_a_number_of_the_manifest(words: str, names: list[str]) -> None:
    """A bot can name any words: the dialplan gets a number of ten digits, and has an entry for those in the manifest."""
    assert re.fullmatch(r"1[0-9]{9}", str(next_code(words)))
    of = site(PHONES, bots=[transferring("desk", **{name: {"extension": "102"} for name in names})])
    entries = lines(of, "dp-bot-desk")
    assert entries.keys() == {str(next_code(name)) for name in (*names, "hangup")}
    assert (str(next_code(words)) in entries) == (words in {*names, "hangup"})


def test_nothing_of_a_bot_is_expanded_but_a_filtered_number() -> None:
    """What comes from elsewhere at the moment of the call: the list of applications, and the cause."""
    steps = [f"{application}({arguments})" for _, application, arguments in VOICE_BOT.steps]
    for source in ("DB(dpbot/apps)", "HANGUPCAUSE"):
        uses = [step for step in steps if source in step]
        assert [re.search(r"FILTER\([a-z0-9&\\]*", step) is not None for step in uses] == [True]
