"""Which files are deleted: old recordings, and nothing else, wherever it lies and whatever it is called."""

from datetime import date
from pathlib import Path

import pytest

from dialplane.services.recordings.retention import hindrance, sweep

OLDEST = date(2030, 5, 2)


def recording(folder: Path, day: str, call: int = 1) -> Path:
    path = folder / day / f"{day.replace('-', '')}T235959Z-5550100-101-1700000000.{call}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"voice")
    return path


def test_what_is_older_than_the_oldest_day_goes_with_its_folder(tmp_path: Path) -> None:
    old, young = recording(tmp_path, "2030-05-01"), recording(tmp_path, "2030-05-02")
    (old.parent / ".dialplane-proof.wav").touch()  # of an Asterisk that was killed meanwhile
    swept = sweep(tmp_path, OLDEST)
    assert (swept.deleted, swept.more, swept.trouble) == (1, False, "")
    assert not old.parent.exists()
    assert young.exists()


@pytest.mark.parametrize(
    "name",
    [
        "2030-05-01/notes.txt",
        "2030-05-01/20300501T120000Z-1-2-3.wav.bak",
        "2030-05-01/deep/20300501T120000Z-1-2-3.wav",
        "2030-5-1/20300501T120000Z-1-2-3.wav",
        "20300501/20300501T120000Z-1-2-3.wav",
        "old/20300501T120000Z-1-2-3.wav",
        "20300501T120000Z-1-2-3.wav",
    ],
)
def test_what_is_not_named_as_a_recording_stays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")
    assert sweep(tmp_path, OLDEST).deleted == 0
    assert path.read_bytes() == b"mine"


def test_no_link_is_followed_and_none_is_deleted(tmp_path: Path) -> None:
    folder, outside = tmp_path / "recordings", tmp_path / "outside"
    folder.mkdir()
    theirs = recording(outside, "2030-05-01")
    (folder / "2030-05-01").symlink_to(theirs.parent)
    day = folder / "2030-04-30"
    day.mkdir()
    link = day / "20300430T120000Z-1-2-3.wav"
    link.symlink_to(theirs)
    assert sweep(folder, OLDEST).deleted == 0
    assert theirs.exists()
    assert link.is_symlink()


def test_a_round_deletes_so_many_the_eldest_first(tmp_path: Path) -> None:
    kept = [recording(tmp_path, "2030-04-02", call) for call in range(3)]
    gone = [recording(tmp_path, "2030-04-01", call) for call in range(3)]
    swept = sweep(tmp_path, OLDEST, most=4)
    assert (swept.deleted, swept.more) == (4, True)
    assert sum(path.exists() for path in kept) == 2
    assert not any(path.exists() for path in gone)
    swept = sweep(tmp_path, OLDEST, most=4)
    assert (swept.deleted, swept.more) == (2, False)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_has_nothing_old_in_it(tmp_path: Path) -> None:
    assert sweep(tmp_path / "later", OLDEST).trouble == ""


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert sweep(file, OLDEST).trouble == f"{file}: Not a directory"


def test_what_asterisk_wrote_and_nobody_sees_here_is_not_shared(tmp_path: Path) -> None:
    recording(tmp_path, "2030-05-02")
    assert hindrance(tmp_path, OLDEST) == ""
    assert "the folder is not shared" in hindrance(tmp_path, date(2030, 5, 3))
