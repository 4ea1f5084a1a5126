"""Whose a call from outside is: by its address, and where trunks share one, by the number called."""

from typing import Any

from dialplane.plan.objects import PjsipType
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from tests.plan.office import manifest, snapshot

ACCOUNTS = {name: {"username": name, "password": "secret"} for name in ("a", "b", "101")}
SAME = {"matchNetworks": ["192.0.2.0/30", "198.51.100.0/30"]}


def trunk(name: str, *dids: str, host: str = "sip.example.com", registers: bool = False, **spec: Any) -> dict[str, Any]:
    account = {"registration": {}, "credentialsSecretRef": {"name": name}} if registers else {}
    inbound = [{"did": did, "to": {"extension": "101"}} for did in dids]
    return manifest("SipTrunk", name, {"host": host, "inbound": inbound, **account, **spec})


def plan(*trunks: dict[str, Any], planner: Planner | None = None) -> Plan:
    phone = manifest("Extension", "e101", {"number": "101", "credentialsSecretRef": {"name": "101"}})
    made = snapshot([manifest("Asterisk", "pbx", {}), phone, *trunks], ACCOUNTS)
    return (planner or Planner(load())).plan(made)


def known_by(plan: Plan) -> dict[str, list[str]]:
    identifies = [o for o in plan.objects.pjsip if o.type is PjsipType.IDENTIFY]
    return {o.id: [value for name, value in o.options if name == "match"] for o in identifies}


def numbers(plan: Plan, context: str) -> dict[str, str]:
    """The numbers of a context, and the trunk that each call counts for."""
    found = next(c for c in plan.objects.contexts if c.name == context)
    return {e.extension: e.arguments.partition("1(")[2].partition(",")[0] for e in found.entries}


def test_trunks_with_the_same_networks_are_told_apart_by_the_number_called() -> None:
    made = plan(trunk("a", "+15550100", **SAME), trunk("b", "+15550150", **SAME))
    assert not made.problems
    assert known_by(made) == {"a": SAME["matchNetworks"]}
    assert numbers(made, "dp-from-a") == {"+15550100": "a", "15550100": "a", "+15550150": "b", "15550150": "b"}
    assert numbers(made, "dp-from-b") == {"+15550150": "b", "15550150": "b"}


def test_the_networks_may_be_listed_in_another_order() -> None:
    other = {"matchNetworks": [*reversed(SAME["matchNetworks"])]}
    assert not plan(trunk("a", "1", **SAME), trunk("b", "2", **other)).problems


def test_two_accounts_at_one_address_are_told_apart_by_the_number_called() -> None:
    accounts = [trunk(name, did, host="192.0.2.10", registers=True) for name, did in (("a", "1"), ("b", "2"))]
    made = plan(*accounts)
    assert not made.problems
    assert known_by(made) == {"a": ["192.0.2.10"]}
    assert numbers(made, "dp-from-a") == {"1": "a", "+1": "a", "2": "b", "+2": "b"}


def test_what_several_list_is_the_elders_and_a_number_listed_stays_its_owners() -> None:
    made = plan(trunk("a", "+1", "*", **SAME), trunk("b", "1", "*", **SAME))
    assert numbers(made, "dp-from-a") == {"+1": "a", "1": "b", "_[+0-9A-Za-z*#]!": "a"}


def test_where_to_decides_the_numbers_of_all_stand_together() -> None:
    header = {"inboundNumberFrom": "toHeader", **SAME}
    made = plan(trunk("a", "1", **header), trunk("b", "2", **header))
    assert set(numbers(made, "dp-did-a").values()) == {"a", "b"}


def test_networks_that_overlap_say_what_to_do() -> None:
    made = plan(trunk("a", "1", **SAME), trunk("b", "2", matchNetworks=["192.0.2.0/24"]))
    ((problem,),) = made.problems.values()
    assert str(problem) == (
        "spec.matchNetworks[0]: 192.0.2.0/24 overlaps 192.0.2.0/30 of SipTrunk/a: a call from there could be either "
        "trunk's; list the very same networks in both, and the number called decides"
    )


def test_a_trunk_that_goes_leaves_its_networks_to_the_next_at_once() -> None:
    planner = Planner(load())
    first, second = trunk("a", "1", **SAME), trunk("b", "2", **SAME)
    assert known_by(plan(first, second, planner=planner)) == {"a": SAME["matchNetworks"]}
    alone = plan(second, planner=planner)
    assert known_by(alone) == {"b": SAME["matchNetworks"]}
    assert alone == plan(second)
    assert known_by(plan(first, second, planner=planner)) == {"a": SAME["matchNetworks"]}
