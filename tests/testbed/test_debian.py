import subprocess
from pathlib import Path

import pytest

from testbed import debian
from testbed.cache import BuildError

SMALL = "hostname"


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def strangers_keyring(tmp_path: Path) -> Path:
    """A keyring with a key that signed nothing of Debian's."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    stranger = "stranger@example.org"
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-gen-key", stranger, "ed25519"], check=True, capture_output=True)
    keyring = tmp_path / "stranger.gpg"
    subprocess.run([*gpg, "--output", str(keyring), "--export"], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    return keyring


def test_a_suite_signed_by_nobody_we_know_is_refused(
    private_cache: Path, strangers_keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALPLANE_DEBIAN_KEYRING", str(strangers_keyring))
    with pytest.raises(BuildError, match=r"NO_PUBKEY|not signed"):
        debian.tree("small", "bookworm", [SMALL])
    assert not list(private_cache.rglob("*.deb"))
    assert not list(private_cache.rglob("*_Packages*"))


def test_a_machine_that_trusts_anything_does_not_make_us_do_so(private_cache: Path) -> None:
    apt = debian.PrivateApt("bookworm", private_cache)
    settings = apt.settings()
    assert 'Acquire::AllowInsecureRepositories "0";' in settings
    assert settings.count("Acquire::AllowInsecureRepositories") == 1
    assert "Invoke" not in settings


def test_a_program_of_an_unpacked_tree_runs_by_the_trees_own_loader(private_cache: Path) -> None:
    root = debian.tree("small", "bookworm", [SMALL])
    done = subprocess.run(debian.command(root, "bin/hostname", "--version"), capture_output=True, text=True, check=True)
    assert "hostname" in done.stdout + done.stderr
    listed = (root / "packages.txt").read_text()
    assert "hostname_" in listed
    assert "libc6_" in listed
    absolute = [path for path in root.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]
    assert absolute == []
    assert private_cache in root.parents
