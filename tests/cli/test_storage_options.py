"""Where objects are, as the command line and the environment say it."""

from pathlib import Path

import pytest

from dialplane.cli.app import main
from dialplane.cli.errors import Unusable
from dialplane.cli.storage_options import storage_options
from dialplane.storage.options import StorageOptions

SECRET = "hunter2hunter2"


def test_a_process_that_is_alone_keeps_objects_in_its_state_directory(tmp_path: Path) -> None:
    found = storage_options("", "https://lifts.example.com/", tmp_path, alone=True)
    assert found == StorageOptions((tmp_path / "objects").as_uri(), tmp_path / "spool", "https://lifts.example.com")
    assert storage_options("", "", tmp_path).url == ""
    assert storage_options("s3://lifts/site", "", tmp_path, alone=True).url == "s3://lifts/site"


@pytest.mark.parametrize(
    ("url", "public", "says"),
    [
        ("gs://lifts", "", "s3://bucket/prefix"),
        (f"s3://key:{SECRET}@lifts", "", "AWS_ACCESS_KEY_ID"),
        ("", "lifts", "https://"),
    ],
)
def test_what_is_wrong_is_said_with_the_cure(url: str, public: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=says) as refused:
        storage_options(url, public, tmp_path)
    assert SECRET not in str(refused.value)


def test_the_environment_says_it_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DIALPLANE_STORAGE_URL", "gs://lifts")
    with pytest.raises(SystemExit, match="2"):
        main(["gateway", "--namespace", "office"])
    assert "the storage's URL has the scheme gs: it is file:///a/folder or s3://bucket/prefix" in " ".join(
        capsys.readouterr().err.split()
    )
