import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import debian
from testbed.cache import BuildError
from tests.testbed.archive import SUITE, Archive, Key

pytestmark = pytest.mark.usefixtures("private_cache", "archive")


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """An archive that this machine is told to trust."""
    key = Key.make(tmp_path, "archive-key")
    made = Archive(tmp_path, key)
    monkeypatch.setenv("DIALPLANE_DEBIAN_MIRROR", made.url)
    monkeypatch.setenv("DIALPLANE_DEBIAN_KEYRING", str(key.keyring))
    yield made
    key.close()


def test_a_suite_signed_by_nobody_we_know_is_refused(
    private_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Key.make(tmp_path, "stranger")
    stranger.close()
    monkeypatch.setenv("DIALPLANE_DEBIAN_KEYRING", str(stranger.keyring))
    with pytest.raises(BuildError, match=r"NO_PUBKEY|not signed"):
        debian.tree("small", SUITE, ["small"])
    assert not list(private_cache.rglob("*.deb"))
    assert not list(private_cache.rglob("*_Packages*"))


def test_a_package_that_is_not_the_signed_one_is_refused(private_cache: Path, archive: Archive) -> None:
    package = next(archive.root.rglob("small_1.0_amd64.deb"))
    package.write_bytes(package.read_bytes()[:-1] + b"x")
    with pytest.raises(BuildError, match=r"[Hh]ash"):
        debian.tree("small", SUITE, ["small"])
    assert not list(private_cache.rglob("packages.txt"))


def test_a_machine_that_trusts_anything_does_not_make_us_do_so(private_cache: Path) -> None:
    apt = debian.PrivateApt("bookworm", private_cache)
    settings = apt.settings()
    assert 'Acquire::AllowInsecureRepositories "0";' in settings
    assert settings.count("Acquire::AllowInsecureRepositories") == 1
    assert "Invoke" not in settings


def test_a_program_of_an_unpacked_tree_runs_by_the_trees_own_loader(private_cache: Path) -> None:
    root = debian.tree("small", SUITE, ["small"])
    subprocess.run(debian.command(root, "usr/bin/true"), capture_output=True, check=True, timeout=60)
    listed = (root / "packages.txt").read_text()
    assert "small_" in listed
    assert "small-libc_" in listed
    absolute = [path for path in root.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]
    assert absolute == []
    assert private_cache in root.parents


def test_a_tree_is_there_without_the_archive_once_it_was_made(archive: Archive) -> None:
    root = debian.tree("small", SUITE, ["small"])
    archive.root.rename(archive.root.with_name("away"))
    assert debian.tree("small", SUITE, ["small"]) == root
