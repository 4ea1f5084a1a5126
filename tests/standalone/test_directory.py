"""A directory as a source: live edits, half-written files, folders that vanish."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialplane.resources.key import Key
from dialplane.standalone.directory import DirectorySource, SecretFolders
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.site import SiteReader
from tests.cli.bad_input import OFFICE, PHONE, SECRET

ALICE = Key("Extension", "alice")
LIMIT = 15


@contextlib.asynccontextmanager
async def following(
    directories: list[Path], folders: SecretFolders | None = None, poll: float = 10.0
) -> AsyncIterator[tuple[DirectorySource, list[SourceState]]]:
    states: list[SourceState] = []
    source = DirectorySource(directories, SiteReader(), folders, tell=states.append, poll_seconds=poll)
    task = asyncio.create_task(source.watch())
    try:
        yield source, states
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(states: list[SourceState], *, stale: bool) -> SourceState:
    async with asyncio.timeout(LIMIT):
        while not (states and states[-1].stale is stale):
            await asyncio.sleep(0.02)
    return states[-1]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "office.yaml").write_text(OFFICE)
    (folder / "alice.yaml").write_text(PHONE)
    (folder / "secrets.yml").write_text(SECRET)
    return folder


async def test_an_edit_arrives_by_itself(site: Path) -> None:
    async with following([site], poll=60) as (source, _), asyncio.timeout(LIMIT):
        await source.changed()
        assert ALICE in source.snapshot().resources
        await asyncio.sleep(1.5)  # the kernel's notifications are on
        (site / "alice.yaml").write_text(PHONE + "  maxContacts: 3\n")
        await source.changed()
        assert source.snapshot().resources[ALICE].spec.max_contacts == 3  # type: ignore[union-attr]
        (site / "alice.yaml").unlink()
        await source.changed()
        assert ALICE not in source.snapshot().resources


async def test_without_notifications_the_poll_finds_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(*_: object, **__: object) -> AsyncIterator[set[object]]:
        await asyncio.sleep(3600)
        yield set()

    monkeypatch.setattr("dialplane.standalone.directory.awatch", deaf)
    async with following([site], poll=0.2) as (source, _), asyncio.timeout(LIMIT):
        await source.changed()
        source.snapshot()
        (site / "alice.yaml").write_text(PHONE + "  maxContacts: 3\n")
        await source.changed()
        assert source.snapshot().resources[ALICE].spec.max_contacts == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "kind: [", "apiVersion: dialplane.io/v1alpha1\nkind: Extensio\n", "\0"])
async def test_a_broken_state_keeps_the_last_good_one_and_says_so(site: Path, text: str) -> None:
    async with following([site], poll=0.2) as (source, states):
        await until(states, stale=False)
        before = source.snapshot()
        (site / "alice.yaml").write_text(text)
        state = await until(states, stale=True)
        assert any("alice.yaml" in str(finding) for finding in state.errors)
        assert source.snapshot() is before
        (site / "alice.yaml").write_text(PHONE)
        await until(states, stale=False)


async def test_a_missing_directory_is_no_empty_site(site: Path) -> None:
    async with following([site], poll=0.2) as (source, states):
        await until(states, stale=False)
        before = source.snapshot()
        shutil.move(site, site.with_name("away"))
        assert "No such file" in str((await until(states, stale=True)).errors[0])
        assert source.snapshot() is before
        shutil.move(site.with_name("away"), site)
        await until(states, stale=False)


async def test_a_directory_without_manifests_is_no_empty_site(site: Path) -> None:
    async with following([site], poll=0.2) as (source, states):
        await until(states, stale=False)
        before = source.snapshot()
        for path in site.iterdir():
            path.unlink()
        await until(states, stale=True)
        assert source.snapshot() is before


async def test_there_is_no_snapshot_before_the_directory_exists(tmp_path: Path, site: Path) -> None:
    late = tmp_path / "late"
    async with following([late], poll=0.2) as (source, states):
        await until(states, stale=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.changed(), 0.5)
        shutil.copytree(site, late)
        await asyncio.wait_for(source.changed(), LIMIT)
        assert ALICE in source.snapshot().resources


async def test_a_rotated_secret_file_makes_a_new_snapshot(site: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    (secrets / "alice").mkdir(parents=True)
    (secrets / "alice" / "password").write_text("one\n")
    async with following([site], SecretFolders(secrets), poll=0.2) as (source, _), asyncio.timeout(LIMIT):
        await source.changed()
        assert source.snapshot().secrets["alice"]["password"].get_secret_value() == "one"
        (secrets / "alice" / "password").write_text("two\n")
        await source.changed()
        assert source.snapshot().secrets["alice"]["password"].get_secret_value() == "two"


async def test_an_edit_that_changes_no_meaning_wakes_nobody(site: Path) -> None:
    async with following([site], poll=0.2) as (source, _):
        await asyncio.wait_for(source.changed(), LIMIT)
        source.snapshot()
        (site / "alice.yaml").write_text("# a comment\n" + PHONE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.changed(), 1.5)


async def test_a_folder_that_can_no_longer_be_read_leaves_its_phones_in_force(site: Path, tmp_path: Path) -> None:
    (site / ".store").mkdir()
    (site / "alice.yaml").rename(site / ".store" / "alice.yaml")
    (site / "phones").symlink_to(".store")
    async with following([site], poll=0.2) as (source, states):
        await asyncio.wait_for(source.changed(), LIMIT)
        before = source.snapshot()
        assert ALICE in before.resources
        for target in ("..", "nowhere"):
            (site / "phones").unlink()
            (site / "phones").symlink_to(tmp_path / target)
            state = await until(states, stale=True)
            assert str(state.errors[0]).startswith(f"{site}/phones: is a symbolic link that leads ")
            assert source.snapshot() == before
            (site / "phones").unlink()
            (site / "phones").symlink_to(".store")
            await until(states, stale=False)
        (site / ".store" / "alice.yaml").write_text(PHONE + "  maxContacts: 3\n")
        await asyncio.wait_for(source.changed(), LIMIT)
        assert source.snapshot().resources[ALICE].spec.max_contacts == 3  # type: ignore[union-attr]


async def test_several_directories_are_one_site_and_each_must_have_manifests(site: Path, tmp_path: Path) -> None:
    phones = tmp_path / "phones"
    phones.mkdir()
    (site / "alice.yaml").rename(phones / "alice.yaml")
    async with following([site, phones], poll=0.2) as (source, states):
        await until(states, stale=False)
        before = source.snapshot()
        assert {key.kind for key in before.resources} == {"Asterisk", "Extension"}
        (phones / "alice.yaml").rename(tmp_path / "away")
        assert str((await until(states, stale=True)).errors[0]).endswith(
            f"{phones}: no .yaml or .yml file in it: put the site's manifests there"
        )
        assert source.snapshot() is before


@pytest.mark.parametrize("loss", ["unmounted", "emptied", "emptied folder", "broken link"])
async def test_secrets_that_cannot_be_read_leave_the_last_good_state_in_force(
    site: Path, tmp_path: Path, loss: str
) -> None:
    secrets = tmp_path / "secrets"
    (secrets / "alice").mkdir(parents=True)
    (secrets / "alice" / "password").write_text("long-enough-password\n")
    async with following([site], SecretFolders(secrets), poll=0.2) as (source, states):
        await until(states, stale=False)
        before = source.snapshot()
        if loss == "unmounted":
            secrets.rename(tmp_path / "away")
        elif loss == "emptied folder":
            (secrets / "alice" / "password").unlink()
        else:
            shutil.rmtree(secrets / "alice")
            if loss == "broken link":
                (secrets / "alice").symlink_to("nowhere")
        state = await until(states, stale=True)
        assert str(state.errors[0]).startswith(str(secrets))
        assert source.snapshot() is before


async def test_a_secret_behind_a_link_is_followed_wherever_it_leads(site: Path, tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "password").write_text(version)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "alice").symlink_to(tmp_path / "one")
    async with following([site], SecretFolders(secrets), poll=0.2) as (source, _), asyncio.timeout(LIMIT):
        await source.changed()
        assert source.snapshot().secrets["alice"]["password"].get_secret_value() == "one"
        (secrets / "new").symlink_to(tmp_path / "two")
        (secrets / "new").rename(secrets / "alice")
        await source.changed()
        assert source.snapshot().secrets["alice"]["password"].get_secret_value() == "two"
