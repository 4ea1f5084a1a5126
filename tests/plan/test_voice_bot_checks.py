"""What must hold of bots beside the rest of a site."""

from typing import Any

import pytest

from dialplane.plan.admission import Admission
from dialplane.plan.checks.voice_bots import LARGEST
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.conditions import JSON
from dialplane.resources.manifest import parse
from dialplane.resources.problem import Reason
from tests.plan.dialplan.sites import REALTIME
from tests.plan.office import manifest, snapshot

Manifest = dict[str, JSON]
Found = tuple[str, Reason, str, bool]
"""Whose, why, the field, and whether the rest is served."""

PLANNER = Planner(load())
ARI = {"credentialsSecretRef": {"name": "ari"}}
SECRETS = {
    "ari": {"username": "ari", "password": "of ari"},
    "openai": {"key": "of openai"},
    "phone": {"username": "101", "password": "of the phone"},
}
PHONE = manifest("Extension", "phone", {"number": "101", "credentialsSecretRef": {"name": "phone"}})
EARLY, LATE = {"creationTimestamp": "2026-01-01T00:00:00Z"}, {"creationTimestamp": "2026-01-02T00:00:00Z"}
GONE, INVALID, CONFLICT = Reason.REFERENCE_MISSING, Reason.INVALID, Reason.CONFLICT
NO_TRUNK: Found = ("pbx", GONE, "spec.emergency.trunks[0]", True)


def pbx(**spec: Any) -> Manifest:
    return manifest("Asterisk", "pbx", {"ari": ARI} | spec, **EARLY)


def bot(name: str = "desk", created: dict[str, str] = EARLY, **spec: Any) -> Manifest:
    return manifest(
        "VoiceBot", name, {"realtime": REALTIME, "fallback": {"to": {"extension": "101"}}} | spec, **created
    )


def asks(*states: dict[str, Any], **spec: Any) -> Manifest:
    return bot(realtime=None, dialog={"start": states[0]["name"], "states": list(states)}, **spec)


def transferring(name: str, to: dict[str, Any], *more: str) -> Manifest:
    ways = [{"name": each, "description": "When asked.", "to": to} for each in (name, *more)]
    return bot(realtime=REALTIME | {"transfers": ways})


def found(*manifests: Manifest) -> list[Found]:
    problems = PLANNER.plan(snapshot(manifests, SECRETS)).problems
    return [(key.name, p.reason, p.field, p.partial) for key, each in sorted(problems.items()) for p in each]


CASES: dict[str, tuple[list[Manifest], list[Found]]] = {
    "a bot": ([pbx(), PHONE, bot(number="890")], []),
    "an Asterisk whose interface nobody is told": (
        [pbx(ari=None), PHONE, bot()],
        [("desk", GONE, "spec", False)],
    ),
    "a key that is not there": (
        [pbx(), PHONE, bot(realtime=REALTIME | {"secretRef": {"name": "none", "key": "key"}})],
        [("desk", Reason.SECRET_MISSING, "spec.realtime.secretRef", False)],
    ),
    "a fallback to nobody": (
        [pbx(), PHONE, bot(fallback={"to": {"extension": "109"}})],
        [("desk", GONE, "spec.fallback.to.extension", True)],
    ),
    "a fallback to a mailbox that is not there": (
        [pbx(), PHONE, bot(fallback={"to": {"ringGroup": {"members": ["101"], "noAnswer": {"voicemail": "101"}}}})],
        [("desk", GONE, "spec.fallback.to.ringGroup.noAnswer.voicemail", True)],
    ),
    "a fallback to a number without a route": (
        [pbx(), PHONE, bot(fallback={"to": {"number": "0301234567"}})],
        [("desk", GONE, "spec.fallback.to.number", True)],
    ),
    "a fallback to an emergency number": (
        [pbx(emergency={"numbers": ["112"], "trunks": ["carrier"]}), PHONE, bot(fallback={"to": {"number": "112"}})],
        [NO_TRUNK, ("desk", INVALID, "spec.fallback.to.number", True)],
    ),
    "a transfer of a speech model to nobody": (
        [pbx(), PHONE, transferring("sales", {"extension": "109"})],
        [("desk", GONE, "spec.realtime.transfers[0].to.extension", True)],
    ),
    "a transfer of a dialogue to no schedule": (
        [pbx(), PHONE, asks({"name": "sales", "action": {"transfer": {"to": {"schedule": "day"}}}})],
        [("desk", GONE, "spec.dialog.states[0].action.transfer.to.schedule", True)],
    ),
    "a transfer to no bot": (
        [pbx(), PHONE, transferring("other", {"voiceBot": "other"})],
        [("desk", GONE, "spec.realtime.transfers[0].to.voiceBot", True)],
    ),
    "a transfer to a bot that is asleep": (
        [pbx(), PHONE, transferring("other", {"voiceBot": "other"}), bot("other", enabled=False)],
        [],
    ),
    "a transfer called hangup": (
        [pbx(), PHONE, transferring("hangup", {"extension": "101"})],
        [("desk", INVALID, "spec.realtime.transfers[0].name", False)],
    ),
    "a state called hangup that transfers": (
        [pbx(), PHONE, asks({"name": "hangup", "action": {"transfer": {"to": {"extension": "101"}}}})],
        [("desk", INVALID, "spec.dialog.states[0].name", False)],
    ),
    "a state called hangup that hangs up": ([pbx(), PHONE, asks({"name": "hangup", "action": {"hangup": True}})], []),
    "transfers with one number in the dialplan": (
        [pbx(), PHONE, transferring("codding", {"extension": "101"}, "gnu")],
        [("desk", INVALID, "spec.realtime.transfers[1].name", False)],
    ),
    **{
        f"a program at {url}": ([pbx(), PHONE, bot(realtime=None, engine={"external": {"url": url}})], problems)
        for url, problems in {
            "http://127.0.0.1:8080/call": [("desk", INVALID, "spec.engine.external.url", False)],
            "http://[fd00::1]/call": [("desk", INVALID, "spec.engine.external.url", False)],
            "http://localhost:8080/call": [("desk", INVALID, "spec.engine.external.url", False)],
            "https://bots.example.com/call": [],
        }.items()
    },
    "a program in the site's own network, with permission": (
        [
            pbx(),
            PHONE,
            bot(realtime=None, engine={"external": {"url": "http://10.0.0.5/call", "allowPrivateAddress": True}}),
        ],
        [],
    ),
    "a program where clouds have their secrets, with permission": (
        [
            pbx(),
            PHONE,
            bot(realtime=None, engine={"external": {"url": "http://169.254.169.254", "allowPrivateAddress": True}}),
        ],
        [("desk", INVALID, "spec.engine.external.url", False)],
    ),
    "a webhook at a private address": (
        [
            pbx(),
            PHONE,
            asks(
                {"name": "look-up", "action": {"webhook": {"url": "http://10.0.0.5/hook", "otherwise": "bye"}}},
                {"name": "bye", "action": {"hangup": True}},
            ),
        ],
        [("desk", INVALID, "spec.dialog.states[0].action.webhook.url", False)],
    ),
    "a message by a modem that is not there": (
        [
            pbx(),
            PHONE,
            asks(
                {"name": "text", "action": {"sms": {"dongle": "gsm-1", "text": "Hello."}}, "next": "bye"},
                {"name": "bye", "action": {"hangup": True}},
            ),
        ],
        [("desk", GONE, "spec.dialog.states[0].action.sms.dongle", True)],
    ),
    "a number that a phone has": (
        [pbx(), PHONE | {"metadata": {"name": "phone", **EARLY}}, bot(created=LATE, number="101")],
        [("desk", CONFLICT, "spec.number", False)],
    ),
    "a number that another bot has": (
        [pbx(), PHONE, bot(number="890"), bot("other", LATE, number="890")],
        [("other", CONFLICT, "spec.number", False)],
    ),
    "an emergency number": (
        [pbx(emergency={"numbers": ["112"], "trunks": ["carrier"]}), PHONE, bot(number="112")],
        [NO_TRUNK, ("desk", CONFLICT, "spec.number", False)],
    ),
    "names that Asterisk cannot tell apart": (
        [pbx(), PHONE, bot("front-desk"), bot("frontdesk", LATE)],
        [("frontdesk", CONFLICT, "metadata.name", False)],
    ),
    "a phone that forwards to a bot": (
        [pbx(), PHONE | {"spec": PHONE["spec"] | {"forward": {"noAnswer": "890"}}}, bot(number="890")],  # type: ignore[operator]
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bots(name: str) -> None:
    manifests, problems = CASES[name]
    assert found(*manifests) == problems


def large(*, phrases: int) -> Manifest:
    """A dialogue of 100 states; each asks for two answers that can be said in so many ways, in 78 characters each."""
    choices = [
        {"value": value, "phrases": [f"{value} {n:02} ".ljust(78, "x") for n in range(phrases)]}
        for value in ("yes", "no")
    ]
    asked = {"grammar": "choices", "choices": choices}
    ways = [{"state": n, "ahead": f"s{n + 1}" if n < 99 else "bye"} for n in range(100)]
    states = [
        {"name": f"s{way['state']}", "collect": asked, "transitions": [{"answered": True, "to": way["ahead"]}]}
        for way in ways
    ]
    return asks(*states, {"name": "bye", "action": {"hangup": True}})


def test_a_dialogue_of_more_than_replicas_can_take_is_one_clear_error() -> None:
    assert found(pbx(), PHONE, large(phrases=8)) == []
    problems = PLANNER.plan(snapshot([pbx(), PHONE, large(phrases=32)], SECRETS)).problems
    (said,) = (str(problem) for each in problems.values() for problem in each)
    assert f"and a bot at most {LARGEST:,}" in said


def test_admission_refuses_what_only_the_manifest_can_mend() -> None:
    site = snapshot([pbx(), PHONE], SECRETS)
    admission = Admission()
    verdict = admission.review(site, parse(transferring("hangup", {"extension": "101"})))
    assert [p.field for p in verdict.refusals] == ["spec.realtime.transfers[0].name"]
    verdict = admission.review(site, parse(bot(number="101")))
    assert [p.field for p in verdict.refusals] == ["spec.number"]
    assert str(verdict.others[0]) == "Extension/phone"
    verdict = admission.review(site, parse(bot(fallback={"to": {"extension": "109"}})))
    assert verdict.refusals == ()
    assert "no Extension with number '109' is served" in verdict.warnings[0]
