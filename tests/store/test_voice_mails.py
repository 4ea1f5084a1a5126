"""What was mailed of the mailboxes' messages."""

from datetime import timedelta

from dialplane.services.voicemail.tables import KEEP, look_after, mailed, note
from dialplane.store import Store
from tests.databases import NOW

LATER = NOW + KEEP + timedelta(seconds=1)


def test_a_mailbox_is_looked_after_from_the_first_time_on(store: Store) -> None:
    assert look_after(store, "office", ["101"], [], now=NOW) == {"101": NOW}
    assert look_after(store, "office", ["101", "102"], [], now=LATER) == {"101": NOW, "102": LATER}
    assert look_after(store, "other", ["101"], [], now=LATER) == {"101": LATER}


def test_one_that_is_mailed_again_after_a_while_begins_anew(store: Store) -> None:
    look_after(store, "office", ["101"], [], now=NOW)
    look_after(store, "office", [], ["101", "109"], now=NOW)
    assert look_after(store, "office", ["101"], [], now=LATER) == {"101": LATER}


def test_what_was_mailed_is_remembered_for_its_mailbox_alone(store: Store) -> None:
    note(store, "office", "101", "1-1", now=NOW)
    note(store, "office", "101", "1-1", now=LATER)
    assert mailed(store, "office", {"101": ["1-1", "2-1"], "102": ["1-1"]}, now=NOW) == {
        "101": frozenset({"1-1"}),
        "102": frozenset(),
    }
    assert mailed(store, "other", {"101": ["1-1"]}, now=NOW) == {"101": frozenset()}


def test_a_message_is_remembered_as_long_as_it_is_there_and_a_while_after(store: Store) -> None:
    for message in ("1-1", "2-1"):
        note(store, "office", "101", message, now=NOW)
    mailed(store, "office", {"101": ["1-1"]}, now=NOW)
    assert mailed(store, "office", {"101": ["1-1", "2-1"]}, now=LATER)["101"] == {"1-1", "2-1"}
    mailed(store, "office", {"101": ["1-1"]}, now=LATER)
    assert mailed(store, "office", {"101": ["1-1", "2-1"]}, now=LATER)["101"] == {"1-1"}
