"""A Git branch as a source, from real repositories on disk."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dulwich.repo import Repo
from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.standalone.directory import SecretFolders
from dialplane.standalone.git import GitSource, Repository, read_commit
from dialplane.standalone.git_fetch import fetch
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.site import SiteReader
from tests.cli.bad_input import OFFICE, PHONE, SECRET
from tests.standalone.git_server import (
    MEGABYTE,
    Line,
    files_over_http,
    git_daemon,
    http_backend,
    repository_with_deleted_history,
)

ALICE = Key("Extension", "alice")
LIMIT = 30


class Origin:
    """A repository with a work tree, made by dulwich."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = Repo.init(str(path), mkdir=True, default_branch=b"main")

    def commit(self, **files: str | None) -> str:
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        tree = self.repo.get_worktree()
        tree.stage([str(p.relative_to(self.path)) for p in self._all()])
        who = b"Test <test@example.com>"
        commit = tree.commit(message=b"change", committer=who, author=who)
        return commit.decode()

    def _all(self) -> set[Path]:
        tracked = {self.path / name.decode() for name in self.repo.open_index()}
        return tracked | {p for p in self.path.rglob("*") if p.is_file() and ".git" not in p.parts}


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "origin")
    made.commit(
        site__office_yaml=OFFICE, site__alice_yaml=PHONE, site__secrets_yaml=SECRET, README_yaml="# not a site\n"
    )
    return made


@contextlib.asynccontextmanager
async def following(
    repository: Repository, cache: Path, **more: Any
) -> AsyncIterator[tuple[GitSource, list[SourceState]]]:
    states: list[SourceState] = []
    source = GitSource(repository, cache, SiteReader(), tell=states.append, interval_seconds=0.3, **more)
    task = asyncio.create_task(source.watch())
    try:
        yield source, states
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(states: list[SourceState], revision: str, *, stale: bool = False) -> SourceState:
    async with asyncio.timeout(LIMIT):
        while not (states and states[-1].revision == revision and states[-1].stale is stale):
            await asyncio.sleep(0.02)
    return states[-1]


@pytest.mark.parametrize("address", ["{}", "file://{}"])
async def test_commits_arrive_with_their_id(origin: Origin, tmp_path: Path, address: str) -> None:
    repository = Repository(address.format(origin.path), "main", "site")
    async with following(repository, tmp_path / "cache") as (source, states), asyncio.timeout(LIMIT):
        await source.changed()
        assert ALICE in source.snapshot().resources
        second = origin.commit(site__alice_yaml=PHONE + "  maxContacts: 3\n")
        await source.changed()
        assert source.snapshot().resources[ALICE].spec.max_contacts == 3  # type: ignore[union-attr]
        assert states[-1].revision == second


async def test_a_broken_commit_keeps_the_last_good_one_in_force(origin: Origin, tmp_path: Path) -> None:
    async with following(Repository(str(origin.path), "main", "site"), tmp_path / "cache") as (source, states):
        await asyncio.wait_for(source.changed(), LIMIT)
        before, good = source.snapshot(), states[-1].revision
        origin.commit(site__alice_yaml="kind: [")
        state = await until(states, good, stale=True)
        assert str(state.errors[0]).startswith("site/alice.yaml:1: broken YAML")
        assert source.snapshot() is before
        await until(states, origin.commit(site__alice_yaml=PHONE))


async def test_a_rewritten_history_is_followed(origin: Origin, tmp_path: Path) -> None:
    first = origin.repo.head()
    async with following(Repository(str(origin.path), "main", "site"), tmp_path / "cache") as (_, states):
        await until(states, first.decode())
        await until(states, origin.commit(site__alice_yaml=PHONE + "  maxContacts: 3\n"))
        origin.repo.refs[b"refs/heads/main"] = first
        await until(states, first.decode())


async def test_a_cache_from_before_is_used_and_a_damaged_one_made_anew(origin: Origin, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "rubbish").write_text("not a repository")
    repository = Repository(str(origin.path), "main", "site")
    for _ in range(2):
        async with following(repository, cache) as (source, _states):
            await asyncio.wait_for(source.changed(), LIMIT)
            assert ALICE in source.snapshot().resources


@pytest.mark.parametrize(
    ("branch", "path", "says"),
    [
        ("nonsense", "site", "there is no branch nonsense: use one of main"),
        ("main", "nonsense", "has no folder nonsense: correct --path"),
        ("main", "site/alice.yaml", "has no folder site/alice.yaml: correct --path"),
    ],
)
async def test_what_is_not_there_is_said(origin: Origin, tmp_path: Path, branch: str, path: str, says: str) -> None:
    async with following(Repository(str(origin.path), branch, path), tmp_path / "cache") as (source, states):
        state = await until(states, "", stale=True)
        assert says in str(state.errors[0])
        with pytest.raises(LookupError):
            source.snapshot()


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://user:s3cr3t-token@127.0.0.1:{server.getsockname()[1]}/site.git"
        async with following(Repository(url), tmp_path / "cache", silence_seconds=2.0) as (_, states):
            state = await until(states, "", stale=True)
            assert "no answer within 2 s" in str(state.errors[0])
            assert "s3cr3t" not in str(state)


async def test_credentials_are_never_in_a_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    repository = Repository(
        f"http://user:s3cr3t-token@127.0.0.1:{port}/x.git", "main", "", "user", SecretStr("other-s3cr3t")
    )
    async with following(repository, tmp_path / "cache") as (_, states):
        state = await until(states, "", stale=True)
        assert "s3cr3t" not in str(state)
        assert "user" not in state.origin
    assert "s3cr3t" not in repr(repository.password)


async def test_what_git_itself_makes_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "made-by-git"
    path.mkdir()
    for name, text in (("office.yaml", OFFICE), ("alice.yaml", PHONE), ("s.yaml", SECRET)):
        (path / name).write_text(text)
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=path, check=True)
    async with following(Repository(f"file://{path}"), tmp_path / "cache") as (source, _):
        await asyncio.wait_for(source.changed(), LIMIT)
        assert ALICE in source.snapshot().resources


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a repository whose history is large and whose newest commit is not; and that commit."""
    folder = tmp_path_factory.mktemp("served")
    files = {"office.yaml": OFFICE, "alice.yaml": PHONE, "secrets.yaml": SECRET}
    return folder, repository_with_deleted_history(folder / "site.git", files, deleted=12)


def add_commit(repository: Path, text: str) -> str:
    git = ["git", "-C", str(repository)]
    made = "commit refs/heads/main\ncommitter T <t@example.com> 1700000001 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    made += f"M 100644 inline alice.yaml\ndata {len(text)}\n{text}\n"
    subprocess.run([*git, "fast-import", "--quiet"], input=made.encode(), check=True)
    return subprocess.run([*git, "rev-parse", "main"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("serve", ["http", "daemon", "file"])
async def test_of_a_large_history_only_the_newest_commit_comes(
    long_lived: tuple[Path, str], tmp_path: Path, serve: str
) -> None:
    shutil.copytree(long_lived[0] / "site.git", tmp_path / "served" / "site.git")
    line, cache = Line(), tmp_path / "cache"
    with contextlib.ExitStack() as stack:
        address = f"file://{tmp_path}/served"
        if serve != "file":
            server = http_backend(tmp_path / "served", line) if serve == "http" else git_daemon(tmp_path / "served")
            address = stack.enter_context(server)
        async with following(Repository(f"{address}/site.git"), cache) as (source, states), asyncio.timeout(LIMIT):
            await until(states, long_lived[1])
            assert ALICE in source.snapshot().resources
            second = add_commit(tmp_path / "served" / "site.git", PHONE + "  maxContacts: 3\n")
            await until(states, second)
            assert source.snapshot().resources[ALICE].spec.max_contacts == 3  # type: ignore[union-attr]
    assert line.sent < MEGABYTE / 4
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) < MEGABYTE / 4


async def test_a_slow_fetch_may_take_longer_than_the_limit_on_silence_and_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.standalone.git.PROGRESS_SECONDS", 0.5)
    files = {"office.yaml": OFFICE, "alice.yaml": PHONE, "secrets.yaml": SECRET, "LARGE": os.urandom(MEGABYTE).hex()}
    commit = repository_with_deleted_history(tmp_path / "site.git", files, deleted=0)
    line = Line(pieces=300_000, seconds=0.6)
    with http_backend(tmp_path, line) as address:
        begun = asyncio.get_running_loop().time()
        async with following(Repository(f"{address}/site.git"), tmp_path / "cache", silence_seconds=3.0) as (_, states):
            state = await until(states, commit)
            took = asyncio.get_running_loop().time() - begun
            assert took > 3.0
    assert any("MiB" in earlier.progress for earlier in states)
    assert state.progress == ""


async def test_a_fetch_that_stops_in_the_middle_is_given_up_and_says_where(tmp_path: Path) -> None:
    files = {"office.yaml": OFFICE, "LARGE": os.urandom(MEGABYTE).hex()}
    repository_with_deleted_history(tmp_path / "site.git", files, deleted=0)
    line = Line(pieces=400_000, stops=True)
    with http_backend(tmp_path, line) as address:
        async with following(Repository(f"{address}/site.git"), tmp_path / "cache", silence_seconds=2.0) as (_, states):
            state = await until(states, "", stale=True)
        line.over.set()
    assert "no answer within 2 s after '" in str(state.errors[0])


async def test_a_server_without_shallow_clones_is_read_with_all_its_history(origin: Origin, tmp_path: Path) -> None:
    """The dumb protocol: nothing but files."""
    subprocess.run(["git", "-C", str(origin.path), "update-server-info"], check=True)
    with files_over_http(origin.path / ".git") as address:
        async with following(Repository(address, "main", "site"), tmp_path / "cache") as (source, states):
            await until(states, origin.repo.head().decode())
            assert ALICE in source.snapshot().resources


async def test_a_copy_that_is_damaged_is_fetched_anew(tmp_path: Path) -> None:
    files = {"office.yaml": OFFICE, "alice.yaml": PHONE}
    first = repository_with_deleted_history(tmp_path / "site.git", files, deleted=0)
    cache, secrets = tmp_path / "cache", tmp_path / "secrets"
    (secrets / "alice").mkdir(parents=True)
    (secrets / "alice" / "password").write_text("one")
    with http_backend(tmp_path, Line()) as address:
        repository = Repository(f"{address}/site.git")
        async with following(repository, cache, folders=SecretFolders(secrets)) as (source, states):
            await until(states, first)
            [pack] = cache.rglob("*.pack")
            second = add_commit(tmp_path / "site.git", PHONE + "  maxContacts: 3\n")
            await until(states, second)
            pack.unlink()
            pack.with_suffix(".idx").unlink()
            (secrets / "alice" / "password").write_text("two")
            source.mark()
            assert "is damaged (KeyError)" in str((await until(states, second, stale=True)).errors[0])
            await until(states, second)
            assert source.snapshot().secrets["alice"]["password"].get_secret_value() == "two"


async def test_the_copy_does_not_grow_with_the_number_of_fetches(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.standalone.git_fetch.PACKS_LIMIT", 3)
    order = {"url": str(origin.path), "branch": "main", "cache": str(tmp_path / "cache")}
    for number in range(8):
        commit = origin.commit(site__alice_yaml=PHONE + f"  maxContacts: {number + 1}\n")
        assert fetch(order) == commit
        assert len(list((tmp_path / "cache").glob("objects/pack/*.pack"))) <= 3
        assert len(read_commit(tmp_path / "cache", commit, "site")) == 3
