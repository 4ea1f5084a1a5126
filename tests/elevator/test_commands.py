"""Commands in the store: each in exactly one state, sent by the newest connection alone, and what is physical once."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.elevator.tables import commands, sessions
from dialplane.services.elevator.tables.command_life import (
    ANSWER_WITHIN,
    RESULT_WITHIN,
    Change,
    Command,
    CommandState,
    NewCommand,
    after,
)
from dialplane.services.elevator.tables.sessions import Connect, Heard
from dialplane.store import Store
from tests.databases import NOW
from tests.properties import tries

SITE = "office"
HERE, THERE = "gateway-aaaaaaaa", "gateway-bbbbbbbb"
SECOND = timedelta(seconds=1)
ENDS = ("succeeded", "failed", "rejected", "expired", "unknown", "delivered")
pytestmark = pytest.mark.databases


def wanted(device: str = "lift-1", key: str = "k1", *, physical: bool = False, seconds: int = 30) -> NewCommand:
    return NewCommand(device, "REBOOT", physical, {"delay": 1}, "ops", key, NOW + seconds * SECOND)


def connect(store: Store, *devices: str, replica: str = HERE) -> dict[str, int]:
    opened = sessions.open_all(store, SITE, replica, [Connect(each, "192.0.2.1", NOW) for each in devices], now=NOW)
    return {name: found.epoch for name, found in opened.items()}


def queue(store: Store, *new: NewCommand) -> list[Command]:
    return commands.queue(store, SITE, new, now=NOW)


def claim(store: Store, epochs: dict[str, int], replica: str = HERE, at: timedelta = SECOND) -> list[Command]:
    return commands.claim(store, SITE, replica, epochs, now=NOW + at)


def change(store: Store, *changes: Change, at: timedelta = 2 * SECOND) -> list[Command]:
    return commands.change(store, SITE, changes, now=NOW + at)


def state(store: Store, command: Command) -> CommandState:
    found = commands.get(store, SITE, command.id)
    assert found is not None
    return found.state


def test_the_same_request_for_a_device_is_the_same_command(store: Store) -> None:
    first, second = queue(store, wanted(), wanted("lift-2"))
    again, new, first_again = queue(store, replace(wanted(), data=None), wanted(key="k2"), wanted())
    assert again.id == first.id == first_again.id
    assert again.data == {"delay": 1}
    assert len({first.id, second.id, new.id}) == 3
    assert (first.state, first.queued_at, first.sends) == ("queued", NOW, 0)


def test_a_command_goes_over_the_newest_connection_alone_and_once(store: Store) -> None:
    old = connect(store, "lift-1")
    (queued,) = queue(store, wanted())
    new = connect(store, "lift-1", replica=THERE)
    assert claim(store, old) == []
    assert claim(store, old, THERE) == []
    (claimed,) = claim(store, new, THERE)
    assert (claimed.id, claimed.state, claimed.epoch, claimed.replica) == (queued.id, "sent", 2, THERE)
    assert claimed == commands.get(store, SITE, queued.id)
    assert claim(store, new, THERE) == []


def test_what_is_late_or_for_a_closed_connection_is_not_claimed(store: Store) -> None:
    epochs = connect(store, "lift-1", "lift-2")
    queue(store, wanted(seconds=5), wanted("lift-2"))
    sessions.close_all(store, SITE, [Heard("lift-2", epochs["lift-2"], NOW)], now=NOW)
    assert claim(store, epochs, at=5 * SECOND) == []


def test_one_device_does_not_keep_the_others_waiting(store: Store) -> None:
    epochs = connect(store, "lift-1", "lift-2")
    queue(store, *(wanted(key=str(number)) for number in range(10)), wanted("lift-2", "last"))
    assert Counter(each.device for each in claim(store, epochs)) == {"lift-1": commands.EACH, "lift-2": 1}


def test_commands_without_an_answer_hold_no_later_one_up(store: Store) -> None:
    epochs = connect(store, "lift-1")
    queue(store, *(wanted(key=str(number)) for number in range(2 * commands.EACH)))
    assert [len(claim(store, epochs)) for _ in range(3)] == [commands.EACH, commands.EACH, 0]
    (later,) = queue(store, wanted(key="later"))
    assert [each.id for each in claim(store, epochs)] == [later.id]


def test_what_is_safe_goes_again_over_the_next_connection_and_what_is_physical_never(store: Store) -> None:
    old = connect(store, "lift-1")
    safe, physical = queue(store, wanted(key="safe"), wanted(key="physical", physical=True))
    assert {each.id for each in claim(store, old)} == {safe.id, physical.id}
    new = connect(store, "lift-1")
    (again,) = claim(store, new)
    assert (again.id, again.sends, again.epoch) == (safe.id, 2, new["lift-1"])
    assert state(store, physical) == "sent"


def test_at_the_end_of_its_connection_what_is_safe_waits_again(store: Store) -> None:
    epochs = connect(store, "lift-1")
    safe, physical, heard = queue(store, wanted(key="1"), wanted(key="2", physical=True), wanted(key="3"))
    claim(store, epochs)
    epoch = epochs["lift-1"]
    changes = [Change(each.id, "lift-1", epoch, "queued") for each in (safe, physical, heard)]
    change(store, Change(heard.id, "lift-1", epoch, "acknowledged"), *changes)
    assert [state(store, each) for each in (safe, physical, heard)] == ["queued", "sent", "acknowledged"]
    assert commands.queued_counts(store, SITE) == {"lift-1": 1}


def test_an_answer_counts_of_this_device_and_of_no_older_connection(store: Store) -> None:
    connect(store, "lift-1")
    epochs = connect(store, "lift-1")
    (command,) = queue(store, wanted(physical=True))
    claim(store, epochs)
    assert change(store, Change(command.id, "lift-1", 1, "succeeded")) == []
    assert change(store, Change(command.id, "lift-2", 2, "succeeded")) == []
    assert change(store, Change("cmd-unknown", "lift-1", 2, "succeeded")) == []
    (ended,) = change(store, Change(command.id, "lift-1", 3, "failed", "jammed", {"floor": 3}))
    assert (ended.state, ended.reason, ended.result) == ("failed", "jammed", {"floor": 3})
    assert change(store, Change(command.id, "lift-1", 3, "succeeded")) == []
    assert commands.get(store, SITE, command.id) == ended


def test_what_is_overdue_ends_as_what_is_known_of_it(store: Store) -> None:
    epochs = connect(store, "lift-1")
    sent, heard = queue(store, wanted(key="1", seconds=5), wanted(key="2", seconds=5))
    claim(store, epochs)
    (waiting,) = queue(store, wanted(key="3", seconds=5))
    change(store, Change(heard.id, "lift-1", 1, "acknowledged"))
    ends = {}
    for at in (4 * SECOND, 5 * SECOND, 5 * SECOND + ANSWER_WITHIN, 2 * SECOND + RESULT_WITHIN):
        for ended in commands.end_overdue(store, SITE, now=NOW + at):
            ends[ended.id] = (at, ended.state)
    assert ends == {
        waiting.id: (5 * SECOND, "expired"),
        sent.id: (5 * SECOND + ANSWER_WITHIN, "unknown"),
        heard.id: (2 * SECOND + RESULT_WITHIN, "unknown"),
    }


def test_pages_are_the_newest_first_and_what_ended_long_ago_goes(store: Store) -> None:
    made = queue(store, *(wanted(key=str(number), seconds=1) for number in range(5)))
    first = commands.page(store, SITE, "lift-1", limit=3)
    second = commands.page(store, SITE, "lift-1", limit=3, before=first.next)
    assert [each.id for each in first.commands + second.commands] == [each.id for each in reversed(made)]
    assert second.next is None
    commands.end_overdue(store, SITE, now=NOW + 2 * SECOND)
    assert commands.prune(store, SITE, now=NOW + timedelta(days=2), older_than=timedelta(days=1)) == 5


def test_many_claims_and_takeovers_at_once_give_each_command_to_one(store: Store) -> None:
    devices = [f"lift-{number}" for number in range(8)]
    connect(store, *devices)
    queue(store, *(wanted(name, str(number), physical=True) for name in devices for number in range(10)))
    got: list[Command] = []
    lock = threading.Lock()

    def compete(replica: str) -> None:
        for _ in range(12):
            epochs = connect(store, *devices, replica=replica)
            claimed = claim(store, epochs, replica)
            with lock:
                got.extend(claimed)

    threads = [threading.Thread(target=compete, args=(replica,)) for replica in (HERE, THERE, HERE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    epochs = connect(store, *devices)
    while claimed := claim(store, epochs):
        got.extend(claimed)
    assert Counter(each.id for each in got).most_common(1)[0][1] == 1
    assert len(got) == 80


COMMAND = Command(**{name: getattr(wanted(), name) for name in NewCommand.__dataclass_fields__}, id="cmd-1")


@settings(max_examples=tries(50), deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["queued", "sent", "acknowledged", *ENDS]), st.integers(1, 3)), max_size=8),
)
def test_a_command_ends_once_and_a_physical_one_never_waits_again(
    physical: bool, changes: list[tuple[CommandState, int]]
) -> None:
    command = replace(COMMAND, physical=physical, state="sent", epoch=2, sends=1)
    for to, epoch in changes:
        before = command
        command = after(command, Change("cmd-1", "lift-1", epoch, to), NOW)
        if before.ended_at is not None or epoch < 2:
            assert command is before
        if command.state == "queued":
            assert not physical
        assert (command.ended_at is not None) == (command.state in ENDS)
