"""The front doors learn which ConfigMaps a resource needs, by the same walk as for Secrets."""

from typing import Any

from dialplane.resources.kinds import KINDS
from dialplane.resources.references import config_map_refs, secret_refs

CAMPAIGN = {"tenant": "acme", "agents": [{"id": "ann", "callbackNumber": "+15550100"}]}


def refs(kind: str, **raw: Any) -> list[tuple[str, str, str]]:
    spec, problems = KINDS[kind].parse_spec(raw)
    assert spec is not None, problems
    assert not list(secret_refs(spec))
    return list(config_map_refs(spec))


def test_a_spec_that_names_none_refers_to_none() -> None:
    assert refs("Asterisk") == []
    assert refs("Campaign", **CAMPAIGN, destinations={"inline": [{"number": "+15550101"}]}) == []


def test_each_reference_names_its_field_and_the_key_that_is_read() -> None:
    people, never = {"name": "people", "key": "may.csv"}, {"name": "never", "key": "numbers"}
    found = refs("Campaign", **CAMPAIGN, destinations={"configMapRef": people}, doNotCall={"configMapRef": never})
    assert found == [
        ("spec.destinations.configMapRef", "people", "may.csv"),
        ("spec.doNotCall.configMapRef", "never", "numbers"),
    ]
