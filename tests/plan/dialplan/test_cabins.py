"""The emergency telephones of lifts: whose they are, and that nobody else's lines differ."""

from typing import Any

import pytest

from dialplane.plan.dialplan.cabins import CABIN, CABIN_CALL, ROUTINES
from dialplane.plan.dialplan.used import modules_used
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.conditions import JSON
from tests.plan.office import manifest, snapshot
from tests.plan.rich import MANIFESTS, SECRETS

PLANNER = Planner(load())
CABIN_LINE = f"exten => 102,1,Gosub({CABIN.context},s,1(%s,%s,102,30,yes,never,dp-cos-internal))"
EARLY, LATE = {"creationTimestamp": "2026-01-01T00:00:00Z"}, {"creationTimestamp": "2026-01-02T00:00:00Z"}
Lift = dict[str, JSON]


def lift(name: str = "lift-1", created: dict[str, str] = EARLY, **spec: Any) -> Lift:
    return manifest("ElevatorDevice", name, {"location": "Town hall", "emergencyExtension": "102"} | spec, **created)


def planned(*lifts: Lift, manifests: list[Lift] = MANIFESTS) -> Plan:
    return PLANNER.plan(snapshot([*manifests, *lifts], SECRETS))


def endpoint(plan: Plan, number: str = "102") -> dict[str, str]:
    return {n: str(v) for o in plan.objects.pjsip if o.name == f"endpoint/{number}" for n, v in o.options}


def section(plan: Plan, name: str) -> set[str]:
    """The lines of a context."""
    return set(plan.files["extensions.conf"].partition(f"[{name}]\n")[2].partition("\n\n")[0].splitlines())


def variables(plan: Plan) -> list[str]:
    """Those of a call from 102, without the mark of its version."""
    return endpoint(plan)["set_var"].rpartition(",")[0].split(",")


def test_nobody_elses_lines_differ() -> None:
    before, after = planned(), planned(lift(operators=["101"]))
    assert {path for path in after.files if before.files[path] != after.files[path]} == {
        "extensions.conf",
        "pjsip_endpoint.conf",
    }
    was, now = (section(plan, "dp-internal") for plan in (before, after))
    assert {line[:15] for line in was - now} == {"exten => 102,1,"}
    assert now - was == {CABIN_LINE % ("lift-1", "101")}
    contexts = {c.name: c for c in after.objects.contexts}
    assert [c.name for c in before.objects.contexts if contexts[c.name] != c] == ["dp-internal"]
    others = {o.name for o in after.objects.pjsip} - {"endpoint/102"}
    assert {o for o in before.objects.pjsip if o.name in others} == {o for o in after.objects.pjsip if o.name in others}


def test_a_cabin_calls_from_a_context_of_its_own_under_the_name_of_its_place() -> None:
    plan = planned(lift(testCall={"number": "770"}))
    assert endpoint(plan)["context"] == "dp-cabin-internal"
    assert endpoint(plan)["callerid"] == '"Town hall" <102>'
    assert variables(plan) == ["ARRAY(DIALPLANE_DEVICE", "DIALPLANE_TEST_NUMBER", "DIALPLANE_REVISION)=lift-1", "770"]
    (context,) = (c for c in plan.objects.contexts if c.name == "dp-cabin-internal")
    (line,) = context.entries
    assert context.includes == ()
    dialled = "${FILTER(0-9*#+,${EXTEN})},${LEN(${EXTEN})}"
    assert (line.extension, line.priority, line.application) == ("_[+0-9*#]!", 1, "Gosub")
    assert line.arguments == f"{CABIN_CALL.context},s,1(dp-cos-internal,{dialled})"


def test_a_number_that_somebody_has_is_never_answered_as_a_test_call() -> None:
    for number in ("112", "9112", "101"):
        plan = planned(lift(testCall={"number": number}))
        assert variables(plan) == ["ARRAY(DIALPLANE_DEVICE", "DIALPLANE_REVISION)=lift-1"]


def test_an_operator_that_is_not_served_is_none() -> None:
    """A trunk could have its number for a name, and its callers be taken for the operator."""
    trunk = manifest("SipTrunk", "109", {"host": "192.0.2.9"})
    plan = planned(lift(operators=["109", "101", "103"]), manifests=[*MANIFESTS, trunk])
    assert CABIN_LINE % ("lift-1", "101&103") in plan.files["extensions.conf"]


@pytest.mark.parametrize(
    "spec",
    [
        {"enabled": False},
        {"tokenSecretRef": {"name": "none", "key": "token"}},
        {"callback": {"statusUrl": "https://backend.example.com/status", "secretRef": {"name": "desk", "key": "pin"}}},
    ],
)
def test_a_telephone_stays_the_cabins_while_its_device_cannot_connect(spec: Any) -> None:
    plan = planned(lift(**spec))
    assert "lift-1" not in {key.name for key in plan.versions}
    assert CABIN_LINE % ("lift-1", "") in plan.files["extensions.conf"]


@pytest.mark.parametrize(
    ("lifts", "whose"),
    [
        ([lift("a", LATE), lift("b")], "b"),
        ([lift("a", LATE), lift("b", enabled=False)], "a"),
        ([lift("a", LATE), lift("b", tokenSecretRef={"name": "none", "key": "token"})], "a"),
        ([lift("a", LATE, tokenSecretRef={"name": "none", "key": "token"}), lift("b", enabled=False)], "a"),
        ([lift("a", LATE, enabled=False), lift("b", enabled=False)], "b"),
    ],
)
def test_of_several_devices_the_one_that_is_served_has_the_telephone(lifts: list[Lift], whose: str) -> None:
    assert variables(planned(*lifts))[-1] == f"DIALPLANE_REVISION)={whose}"


def test_a_telephone_that_is_not_served_is_nobodys() -> None:
    assert planned(lift(emergencyExtension="109")).files == planned().files


def test_a_site_without_lifts_needs_no_more_of_asterisk() -> None:
    contexts = planned(manifests=[one for one in MANIFESTS if one["kind"] != "Dongle"]).objects.contexts
    without = modules_used(c for c in contexts if not c.name.startswith("dp-recording-proof"))
    owner = contexts[0].owner
    assert modules_used(routine.rendered(owner) for routine in ROUTINES) - without == {"app_playtones.so", "func_db.so"}


def test_the_alarm_is_raised_before_anything_can_end_the_call() -> None:
    names = [application for _, application, _ in CABIN_CALL.steps]
    before = names[: names.index("Goto")]
    assert set(before) == {"GotoIf", "Set"}
