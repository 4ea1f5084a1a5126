"""What a plan makes of ConfigMaps: a missing one keeps its resource out, a changed one is that resource's change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dialplane.plan import checking
from dialplane.plan.checks.config_maps import config_maps
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.planner import Planner
from dialplane.plan.templates import Templates
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.problem import Reason
from dialplane.resources.snapshot import Snapshot
from tests.plan.office import manifest, snapshot
from tests.resources.examples import MINIMAL

TEMPLATES: Templates = load()
SPRING, AUTUMN = Key("Campaign", "spring"), Key("Campaign", "autumn")


def campaign(key: Key, **lists: Any) -> dict[str, Any]:
    agents = [{"id": "ann", "callbackNumber": "+15550100"}]
    return manifest("Campaign", key.name, {"tenant": "acme", "agents": agents, **lists})


def people(name: str, key: str = "people.csv") -> dict[str, Any]:
    return {"destinations": {"configMapRef": {"name": name, "key": key}}}


NEVER = {"doNotCall": {"configMapRef": {"name": "never", "key": "numbers"}}}
FIELD = "spec.destinations.configMapRef"


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({"people": {"people.csv": "number\n"}, "never": {"numbers": ""}}, []),
        (
            {"never": {"numbers": ""}},
            [(FIELD, "ConfigMap 'people' does not exist in this namespace: create it")],
        ),
        (
            {"people": {"may.csv": "+15550199"}, "never": {"numbers": ""}},
            [(FIELD, "ConfigMap 'people' has no key 'people.csv' under data: add it, or name another key")],
        ),
        (
            {"people": {}},
            [
                (FIELD, "ConfigMap 'people' has no key 'people.csv' under data: add it, or name another key"),
                ("spec.doNotCall.configMapRef", "ConfigMap 'never' does not exist in this namespace: create it"),
            ],
        ),
    ],
    ids=["all there", "no such ConfigMap", "no such key", "both"],
)
def test_what_is_missing_is_named_with_its_cure(
    held: Mapping[str, Mapping[str, str]], found: list[tuple[str, str]]
) -> None:
    resource = parse(campaign(SPRING, **people("people"), **NEVER))
    problems = [problem for _, problem in config_maps(Draft({SPRING: resource}, {}, config_maps={SPRING: held}))]
    assert [(p.field, p.message) for p in problems] == found
    assert {(p.reason, p.partial) for p in problems} <= {(Reason.REFERENCE_MISSING, False)}


def site(**lists: Mapping[str, str]) -> Snapshot:
    manifests = [
        manifest("Asterisk", "pbx", {}),
        manifest("InfinityTenant", "acme", MINIMAL["InfinityTenant"]),
        campaign(SPRING, **people("spring")),
        campaign(AUTUMN, **people("autumn")),
    ]
    return snapshot(manifests, {"infinity": {"token": "t"}}, lists)


ONE = {"people.csv": "number\n+15550101\n"}
TWO = {"people.csv": "number\n+15550102\n"}


def test_it_heals_as_soon_as_the_config_map_is_there_and_breaks_when_it_goes() -> None:
    planner = Planner(TEMPLATES)
    lacking = planner.plan(site(autumn=ONE))
    assert [p.reason for p in lacking.problems[SPRING]] == [Reason.REFERENCE_MISSING]
    assert SPRING not in lacking.versions
    healed = planner.plan(site(autumn=ONE, spring=TWO))
    assert not healed.problems
    assert SPRING in healed.versions
    assert planner.plan(site(autumn=ONE)) == lacking


def test_a_changed_value_is_a_change_of_who_refers_to_it_and_of_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[Key]] = []

    def own(draft: Draft) -> list[Finding]:
        asked.append({*draft.resources})
        return []

    monkeypatch.setattr(checking, "OWN", (own,))
    planner, first = Planner(TEMPLATES), site(spring=ONE, autumn=ONE)
    before = planner.plan(first)
    now = planner.plan(replace(first, config_maps={**first.config_maps, "spring": TWO}))
    assert asked[1:] == [{SPRING}]
    assert now is not before
    assert now.versions[SPRING] is not before.versions[SPRING]
    assert now.versions[AUTUMN] is before.versions[AUTUMN]
    assert (now.files, now.revision) == (before.files, before.revision)


class Untouchable(dict[str, str]):
    """Values that nobody may look through."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        raise AssertionError("copied")


def test_a_large_value_that_did_not_change_is_neither_compared_nor_copied() -> None:
    planner, large = Planner(TEMPLATES), Untouchable(ONE)
    before = planner.plan(site(spring=large, autumn=ONE))
    assert planner.plan(site(spring=large, autumn=TWO)).versions.keys() == before.versions.keys()
