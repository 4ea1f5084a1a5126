"""The audit of commands finds what it is there to find."""

import pytest

from bench.command_audit import StateChange, audit

GRACE = 5.0


def life(*states: str, physical: bool = True, at: float = 100.0, deadline: float = 110.0) -> list[StateChange]:
    """A command's states, one after the other."""
    return [
        StateChange(at, "cmd-1", physical, was, becomes, deadline)
        for was, becomes in zip((None, *states), states, strict=False)
    ]


def found(changes: list[StateChange], arrived: int) -> list[str]:
    return audit(changes, [{"id": "cmd-1"}] * arrived, ["cmd-1"], grace=GRACE)


@pytest.mark.parametrize(
    ("changes", "arrived"),
    [
        (life("queued", "sent", "acknowledged", "succeeded"), 1),
        (life("queued", "expired"), 0),
        (life("queued", "sent", "unknown"), 0),
        (life("queued", "sent", "unknown"), 1),
        (life("queued", "sent", "queued", "sent", "delivered", physical=False), 2),
        (life("queued", "sent", "sent", "succeeded", physical=False), 2),
    ],
)
def test_a_life_as_it_should_be_is_no_finding(changes: list[StateChange], arrived: int) -> None:
    assert found(changes, arrived) == []


@pytest.mark.parametrize(
    ("changes", "arrived", "finding"),
    [
        ([], 0, "nothing is known of it"),
        (life("queued", "sent"), 1, "it never ended: queued -> sent"),
        (life("queued", "sent", "succeeded", "unknown"), 1, "it ended more than once"),
        (life("queued", "sent", "succeeded", "sent"), 1, "it ended more than once"),
        (life("queued", "sent", "queued", "sent", "unknown"), 1, "noted as sent 2 times and arrived 1 times"),
        (life("queued", "sent", "unknown"), 2, "noted as sent 1 times and arrived 2 times"),
        (life("queued", "sent", "failed", physical=False), 2, "it arrived 2 times and was noted as sent 1 times"),
        (life("queued", "sent", "succeeded"), 0, "it arrived nowhere"),
        (life("queued", "expired"), 1, "it arrived, and is expired"),
        (life("queued", "sent", "unknown", at=112.0), 0, "it was sent 2.0 s after its deadline"),
        (life("queued", "expired", at=116.0), 0, "it was queued until 6.0 s after its deadline"),
    ],
)
def test_a_life_as_it_must_not_be_is_found(changes: list[StateChange], arrived: int, finding: str) -> None:
    assert finding in "\n".join(found(changes, arrived))


def test_what_arrives_and_was_never_asked_for_is_found() -> None:
    assert audit([], [{"id": "cmd-9"}], [], grace=GRACE) == ["cmd-9 arrived, and nobody asked for it"]
