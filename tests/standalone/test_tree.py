"""What is read below a folder, and what is named since it cannot be: alike for a folder and for a Git commit."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dulwich.repo import Repo

from dialplane.standalone.files import File, SourceMissing, read_paths
from dialplane.standalone.git import read_commit
from dialplane.standalone.manifests import read_content
from dialplane.standalone.tree import EMPTY
from tests.cli.bad_input import OFFICE, PHONE, SECRET

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
SOMEWHERE = "0123456789012345678901234567890123456789"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


def from_disk(repository: Path) -> list[File]:
    site = repository / "site"
    return [File(str(Path(f.name).relative_to(repository)), f.data, f.flaw) for f in read_paths([site])]


def from_git(repository: Path) -> list[File]:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "x")
    with Repo(str(repository)) as opened:
        commit = opened.head().decode()
    return read_commit(repository, commit, "site")


Read = Callable[[Path], list[File]]
both = pytest.mark.parametrize("read", [from_disk, from_git])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    (made / "site").mkdir(parents=True)
    git(made, "init", "--quiet", "--initial-branch", "main")
    (made / "site" / "office.yaml").write_text(OFFICE)
    return made


def texts(files: list[File]) -> dict[str, str]:
    assert [file.flaw for file in files if file.flaw] == []
    return {file.name: file.data.decode() for file in files}


def flaws(files: list[File]) -> dict[str, str]:
    return {file.name: file.flaw for file in files if file.flaw}


@both
def test_links_that_stay_inside_are_followed(read: Read, repository: Path) -> None:
    site = repository / "site"
    (site / ".shared" / "more").mkdir(parents=True)
    (site / ".shared" / "alice.yaml").write_text(PHONE)
    (site / ".shared" / "more" / "secrets.yml").write_text(SECRET)
    (site / "phones").symlink_to(".shared")
    (site / "one.yaml").symlink_to("phones/alice.yaml")
    (site / "alias").symlink_to("phones")
    assert texts(read(repository)) == {
        "site/office.yaml": OFFICE,
        "site/alias/alice.yaml": PHONE,
        "site/alias/more/secrets.yml": SECRET,
    }


@both
def test_what_several_links_lead_to_is_read_once_and_a_loop_ends(read: Read, repository: Path) -> None:
    site = repository / "site"
    (site / "phones").mkdir()
    (site / "phones" / "alice.yaml").write_text(PHONE)
    (site / "phones" / "up").symlink_to("..")
    (site / "again").symlink_to("phones")
    (site / "another.yaml").symlink_to("phones/alice.yaml")
    (site / "phones" / "self").symlink_to(".")
    assert texts(read(repository)) == {"site/office.yaml": OFFICE, "site/phones/alice.yaml": PHONE}


@both
@pytest.mark.parametrize("name", ["phones", "phones.yaml"])
@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/etc", "leads out"),
        ("../../outside", "leads out"),
        ("nowhere", "leads nowhere"),
        ("office.yaml/x", "leads nowhere"),
        ("circle", "leads in a circle"),
    ],
)
def test_a_link_that_cannot_be_followed_is_named(
    read: Read, repository: Path, name: str, target: str, says: str
) -> None:
    (repository.parent / "outside").mkdir()
    (repository / "site" / "circle").symlink_to("circle")
    (repository / "site" / name).symlink_to(target)
    assert says in flaws(read(repository))[f"site/{name}"]


def test_a_link_between_two_folders_that_are_both_read_is_inside(tmp_path: Path) -> None:
    for name, text in (("site", OFFICE), ("shared", PHONE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text(text)
    (tmp_path / "site" / "phones").symlink_to("../shared")
    assert flaws(read_paths([tmp_path / "site"]))[f"{tmp_path}/site/phones"].startswith("is a symbolic link that leads")
    assert sorted(texts(read_paths([tmp_path / "site", tmp_path / "shared"])).values()) == sorted([OFFICE, PHONE])


def test_a_folder_that_is_given_twice_is_read_once(repository: Path) -> None:
    site = repository / "site"
    assert len(read_paths([site, site / "office.yaml", site / ".." / "site"])) == 1


def test_a_link_of_a_commit_may_lead_anywhere_within_it(repository: Path) -> None:
    (repository / "shared").mkdir()
    (repository / "shared" / "alice.yaml").write_text(PHONE)
    (repository / "site" / "phones").symlink_to("../shared")
    assert texts(from_git(repository))["site/phones/alice.yaml"] == PHONE


def test_the_folder_of_a_commit_may_be_a_link(repository: Path) -> None:
    (repository / "site").rename(repository / "office")
    (repository / "site").symlink_to("office")
    assert texts(from_git(repository)) == {"site/office.yaml": OFFICE}


@pytest.mark.parametrize("target", ["../out", "/etc", "site"])
def test_the_folder_of_a_commit_that_leads_nowhere_is_named(repository: Path, target: str) -> None:
    (repository / "site").rename(repository / "office")
    (repository / "site").symlink_to(target)
    with pytest.raises(
        SourceMissing, match=r"commit [0-9a-f]{12} has no readable folder site, which is a symbolic link"
    ):
        from_git(repository)


def test_a_submodule_is_named(repository: Path) -> None:
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{SOMEWHERE},site/phones")
    (repository / "site" / "phones").mkdir()  # as a clone without --recurse-submodules leaves it
    (repository / "site" / "link").symlink_to("phones/x")
    named = flaws(from_git(repository))
    assert named["site/phones"].startswith("is a Git submodule")
    assert named["site/link"].startswith("is a symbolic link into site/phones, which is a Git submodule")
    assert "a submodule that is not checked out" in flaws(from_disk(repository))["site/phones"]


@both
def test_a_pointer_of_git_lfs_is_named(read: Read, repository: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (repository / "site" / "phones.yaml").write_text(pointer)
    content = [read_content(file) for file in read(repository)][-1]
    assert content.broken
    assert str(content.findings[0]).startswith("site/phones.yaml:1: is a pointer of Git LFS, not the file")


@both
def test_a_link_that_was_copied_as_text_is_named(read: Read, repository: Path) -> None:
    (repository / "shared").mkdir()
    (repository / "shared" / "alice.yaml").write_text(PHONE)
    (repository / "site" / "phones").write_text("../shared")
    (repository / "site" / "LICENSE").write_text("see ../nowhere")
    assert [(name, "make it a link again" in flaw) for name, flaw in flaws(read(repository)).items()] == [
        ("site/phones", True)
    ]


@both
def test_a_suffix_in_capitals_is_one(read: Read, repository: Path) -> None:
    (repository / "site" / "PHONES.YAML").write_text(PHONE)
    (repository / "site" / "notes.txt").write_text("no manifest")
    (repository / "site" / ".hidden.yaml").write_text("kind: [")
    assert texts(read(repository)) == {"site/PHONES.YAML": PHONE, "site/office.yaml": OFFICE}


def test_a_folder_without_rights_or_anything_in_it_is_named_and_all_of_them_at_once(repository: Path) -> None:
    site = repository / "site"
    for name in ("closed", "unmounted", "lost+found"):
        (site / name).mkdir()
    (site / "closed").chmod(0)
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    validate = [sys.executable, "-m", "dialplane.cli", "validate", "-f", "site"]
    try:
        ended = subprocess.run(
            [*powerless, *validate], cwd=repository, capture_output=True, text=True, check=False, timeout=30
        )
    finally:
        (site / "closed").chmod(0o700)
    assert ended.stdout.splitlines() == [
        "site/closed: cannot be read: Permission denied: give this user the right to read it",
        f"site/unmounted: {EMPTY}",
    ]
    assert ended.returncode == 1
