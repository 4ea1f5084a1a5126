"""What is read in Asterisk's spool, whatever lies there."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.services.voicemail.spool import AUDIO_MOST, UnreadableError, audio_of, present, scan
from tests.voicemail.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "voicemail")


def test_new_messages_are_found_the_eldest_first_urgent_ones_too(spool: Spool) -> None:
    spool.leave("101", "3-1", at=300)
    spool.leave("101", "1-1", at=100, folder="Urgent")
    spool.leave("101", "2-1", at=200)
    spool.leave("101", "0-1", at=50, folder="Old")
    found, troubles = scan(spool.path, "101")
    assert ([message.id for message in found], troubles) == (["1-1", "2-1", "3-1"], [])
    assert [message.folder for message in found] == ["Urgent", "INBOX", "INBOX"]
    assert (found[0].caller, found[0].seconds, found[0].left_at.timestamp()) == ('"Ada" <+15550100>', 7, 100)
    assert present(spool.path) == {"101"}


def test_a_mailbox_or_a_spool_that_is_not_there_is_empty(spool: Spool) -> None:
    assert scan(spool.path, "101") == ([], [])
    assert present(spool.path) == frozenset()


def test_a_message_that_is_being_recorded_is_none_yet(spool: Spool) -> None:
    place = spool.path / "default" / "101" / "INBOX"
    place.mkdir(parents=True)
    (place / "msg0000.wav").write_bytes(b"voice")
    (place / ".lock").touch()
    assert scan(spool.path, "101") == ([], [])


def test_the_audio_belongs_to_the_message(spool: Spool) -> None:
    spool.leave("101", "1-1", audio=b"voice of one")
    (message,), _ = scan(spool.path, "101")
    assert audio_of(message) == ("msg0000.wav", b"voice of one")


def test_a_message_whose_number_another_has_got_meanwhile_is_not_mistaken_for_it(spool: Spool) -> None:
    spool.leave("101", "1-1")
    (message,), _ = scan(spool.path, "101")
    message.text.write_text(message.text.read_text().replace("1-1", "2-1"))
    with pytest.raises(UnreadableError, match="moved meanwhile"):
        audio_of(message)


@pytest.mark.parametrize("what", ["none", "link", "large"])
def test_audio_that_cannot_be_attached_is_named(spool: Spool, tmp_path: Path, what: str) -> None:
    spool.leave("101", "1-1")
    (message,), _ = scan(spool.path, "101")
    audio = message.text.with_suffix(".wav")
    audio.unlink()
    if what == "link":
        (tmp_path / "secret").write_text("secret")
        audio.symlink_to(tmp_path / "secret")
    elif what == "large":
        with audio.open("wb") as file:
            file.truncate(AUDIO_MOST + 1)
    with pytest.raises(UnreadableError, match="msg0000"):
        audio_of(message)


def test_what_a_caller_says_of_himself_changes_nothing_else(spool: Spool) -> None:
    spool.leave("101", "1-1", caller='"x" <1>\nmsg_id=9-9\norigtime=1', at=500)
    (message,), _ = scan(spool.path, "101")
    assert (message.id, message.left_at.timestamp()) == ("1-1", 500)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=300))
def test_any_text_is_a_message_or_is_named_as_none(spool: Spool, text: bytes) -> None:
    place = spool.path / "default" / "101" / "INBOX"
    place.mkdir(parents=True, exist_ok=True)
    (place / "msg0000.txt").write_bytes(text)
    found, troubles = scan(spool.path, "101")
    assert len(found) + len(troubles) == 1
