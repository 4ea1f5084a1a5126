"""Secrets that a replica reads from a folder, as Kubernetes mounts them."""

import os
from pathlib import Path

import pytest
import structlog

from dialplane.standalone.files import FILE_LIMIT
from dialplane.standalone.secret_folder import SecretFolder


def mounted(root: Path, name: str, version: str, **values: str) -> None:
    """Write a Secret as the kubelet does: a new folder, and one link that is put in the place of the one before."""
    secret = root / name
    (secret / f"..{version}").mkdir(parents=True)
    for key, value in values.items():
        (secret / f"..{version}" / key).write_text(value)
        if not (secret / key).is_symlink():
            (secret / key).symlink_to(Path("..data", key))
    (secret / "..data_tmp").symlink_to(f"..{version}")
    (secret / "..data_tmp").replace(secret / "..data")


def read(folder: SecretFolder, name: str, key: str) -> str | None:
    found = folder.value(name, key)
    return None if found is None else found.get_secret_value()


def test_a_value_is_what_is_mounted_now(tmp_path: Path) -> None:
    folder = SecretFolder(tmp_path)
    assert read(folder, "ari", "password") is None
    mounted(tmp_path, "ari", "1", username="bots", password="first")
    assert (read(folder, "ari", "username"), read(folder, "ari", "password")) == ("bots", "first")
    mounted(tmp_path, "ari", "2", username="bots", password="second\n")
    assert read(folder, "ari", "password") == "second"
    assert read(folder, "ari", "absent") is None


@pytest.mark.parametrize(
    ("name", "key"), [("..", "secret"), ("ari/..", "x"), ("ari", ".."), ("ari", "../up"), ("", "x")]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "root" / "ari").mkdir(parents=True)
    for place in ("secret", "x", "up", "root/x", "root/up"):
        (tmp_path / place).write_text("outside")
    assert SecretFolder(tmp_path / "root").value(name, key) is None


def test_what_cannot_be_a_value_is_none_and_named_once_without_it(tmp_path: Path) -> None:
    (tmp_path / "ari").mkdir()
    os.mkfifo(tmp_path / "ari" / "pipe")
    (tmp_path / "ari" / "large").write_bytes(b"k" * (FILE_LIMIT + 1))
    folder = SecretFolder(tmp_path)
    with structlog.testing.capture_logs() as logs:
        for key in ("pipe", "large", "pipe"):
            assert folder.value("ari", key) is None
    assert [each["secret"] for each in logs] == ["ari/pipe", "ari/large"]
    assert "kkk" not in str(logs)
