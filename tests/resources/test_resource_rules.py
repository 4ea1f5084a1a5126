"""Every rule between fields admits what it should and refuses the rest, with its cure, at its field."""

# ruff: noqa: S104 -- an Asterisk listens on all interfaces

import pytest

from dialplane.resources.kinds import KINDS
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.rule import Rule
from tests.resources.examples import EXAMPLES, MINIMAL, Example, all_rules, rule_cases

CASES = [pytest.param(rule, example, id=f"{rule.id}-{n}") for n, (rule, example) in enumerate(rule_cases())]


def test_every_rule_has_its_own_id_and_an_example() -> None:
    ids = [rule.id for rule in all_rules()]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(EXAMPLES)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_that_a_kind_needs_is_valid(kind: str) -> None:
    spec, problems = KINDS[kind].parse_spec(MINIMAL[kind])
    assert problems == ()
    assert isinstance(spec, KINDS[kind].spec)


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_admits_the_good_example(rule: Rule, example: Example) -> None:
    spec, problems = KINDS[example.kind].parse_spec(example.admitted)
    assert problems == (), rule.id
    assert spec is not None


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_refuses_the_bad_example_and_nothing_else_does(rule: Rule, example: Example) -> None:
    spec, problems = KINDS[example.kind].parse_spec(example.refused)
    assert problems == (Problem(Reason.INVALID, rule.message, example.path),)
    assert spec is None


def test_two_broken_rules_of_one_part_are_two_problems() -> None:
    raw = {"host": "sip.example.com", "registration": {}, "callerIdPolicy": {"format": "national"}}
    _, problems = KINDS["SipTrunk"].parse_spec(raw)
    assert [p.field for p in problems] == ["spec.callerIdPolicy.countryCode"]  # the outer part waits for the inner one
    transport = {"name": "web", "protocol": "wss", "bind": "0.0.0.0"}
    _, problems = KINDS["Asterisk"].parse_spec({"transports": [transport]})
    assert [p.field for p in problems] == ["spec.transports[0].bind", "spec.transports[0].certificateSecretRef"]
