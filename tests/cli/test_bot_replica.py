"""`dialplane bot` as a process: its options, and its Secrets from a folder."""

from pathlib import Path

import pytest

from dialplane.cli.app import main


def test_a_folder_of_secrets_that_is_not_mounted_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/store.db")
    store = ("--store-url-file", str(tmp_path / "url"))
    with pytest.raises(SystemExit, match="2"):
        main(["bot", "--namespace", "office", *store, "--secrets-dir", str(absent)])
    assert capsys.readouterr().err == f"dialplane: --secrets-dir {absent}: no such folder\n"
