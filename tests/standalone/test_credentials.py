"""Generated credentials: files that only their owner reads, made once."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.standalone.credentials import CredentialsFolder
from dialplane.standalone.secrets import secrets_from_directory

ALICE = Key("Extension", "alice")


async def test_they_come_back_as_a_secret(tmp_path: Path) -> None:
    told: list[None] = []
    root = tmp_path / "credentials"
    folder = CredentialsFolder(root, lambda: told.append(None))
    await folder.create("alice-credentials", {"username": "101", "password": "p\n"}, ALICE)
    read = secrets_from_directory(root)
    assert read.values == {"alice-credentials": {"username": SecretStr("101"), "password": SecretStr("p\n")}}
    assert read.findings == ()
    assert told == [None]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes == {
        "credentials": 0o700,
        "alice-credentials": 0o700,
        "username": 0o600,
        "password": 0o600,
        ".owner": 0o600,
    }


async def test_what_exists_is_left_as_it_is(tmp_path: Path) -> None:
    folder = CredentialsFolder(tmp_path)
    await folder.create("a", {"password": "first"}, ALICE)
    await folder.create("a", {"password": "second"}, ALICE)
    assert (tmp_path / "a" / "password").read_text() == "first\n"


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden", "A"])
async def test_a_name_cannot_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        await CredentialsFolder(tmp_path).create(name, {"password": "x"}, ALICE)
