"""The status file: generations, uids, atomic writes."""

import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.standalone.files import File
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.site import SiteReader
from dialplane.standalone.status_file import StatusFile, StatusUnreadable, read_statuses

ALICE = Key("Extension", "alice")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def manifest(number: str, **annotations: str) -> Mapping[str, Any]:
    return {"metadata": {"name": "alice", "annotations": annotations}, "spec": {"number": number}}


def ready(uid: str, generation: int = 1, truth: Truth = Truth.TRUE) -> Report:
    return Report(ALICE, uid, generation, (Condition(ConditionType.READY, truth, Reason.VERIFIED, "fine"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "status.json"


def status_file(path: Path, **more: Any) -> StatusFile:
    return StatusFile(path, clock=lambda: NOW, **more)


async def test_the_generation_rises_with_the_spec_and_the_uid_stays(path: Path) -> None:
    kept = status_file(path)
    first = kept.identify(manifest("101"), ALICE)
    same = kept.identify(manifest("101", a="b"), ALICE)
    changed = kept.identify(manifest("102"), ALICE)
    assert (first.generation, same.generation, changed.generation) == (1, 1, 2)
    assert first.uid == same.uid == changed.uid
    assert first.created == "2026-01-02T03:04:05Z"


def test_a_uid_is_in_the_file_before_anybody_acts_on_it(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    kept = status_file(path)
    known = kept.identify(manifest("101"), ALICE)
    kept.settle([ALICE])
    assert status_file(path).identify(manifest("101"), ALICE) == known


async def test_a_message_that_was_under_way_is_known_as_such_after_a_restart(path: Path) -> None:
    text = b"""{"apiVersion": "dialplane.io/v1alpha1", "kind": "SmsMessage", "metadata": {"name": "hello"},
    "spec": {"dongle": "gsm-1", "to": "+15550100", "text": "Hello"}}"""
    key, files = Key("SmsMessage", "hello"), [File("hello.yaml", text)]
    kept = status_file(path)
    resource = SiteReader(ledger=kept).read(files).snapshot.resources[key]
    assert resource.begun == ""
    await kept.publish({key: Report(key, resource.uid, 1, (), {"phase": "Sent", "dongle": "gsm-1"})})
    again = SiteReader(ledger=status_file(path)).read(files).snapshot.resources[key]
    assert (again.uid, again.begun) == (resource.uid, "Sent")


async def test_both_survive_a_restart(path: Path) -> None:
    kept = status_file(path)
    kept.identify(manifest("101"), ALICE)
    known = kept.identify(manifest("102"), ALICE)
    await kept.publish({ALICE: ready(known.uid, 2)})
    assert status_file(path).identify(manifest("102"), ALICE) == known


async def test_a_resource_that_is_made_anew_takes_a_new_uid(path: Path) -> None:
    kept = status_file(path)
    first = kept.identify(manifest("101"), ALICE)
    kept.settle([])
    await kept.publish({})
    second = kept.identify(manifest("101"), ALICE)
    assert second.uid != first.uid
    assert second.generation == 1


async def test_nothing_is_written_where_nothing_changed(path: Path) -> None:
    kept = status_file(path)
    known = kept.identify(manifest("101"), ALICE)
    await kept.publish({ALICE: ready(known.uid)})
    before = path.stat()
    await kept.publish({ALICE: ready(known.uid)})
    assert path.stat() == before


async def test_a_report_on_an_older_state_forgets_nothing_of_a_newer_one(path: Path) -> None:
    kept = status_file(path)
    known = kept.identify(manifest("101"), ALICE)
    kept.settle([ALICE])
    await kept.publish({})  # what was in force before there was an Alice
    await kept.publish({ALICE: ready(known.uid)})
    assert kept.entries[ALICE].status["conditions"][0]["status"] == "True"


async def test_a_restart_on_the_same_site_writes_nothing(path: Path) -> None:
    async def run() -> None:
        kept = status_file(path)
        known = kept.identify(manifest("101"), ALICE)
        kept.note_source(SourceState("site", "abc"))
        await kept.publish({ALICE: ready(known.uid)})

    await run()
    before = path.stat()
    await run()
    assert path.stat() == before


async def test_a_transition_is_told_once(path: Path) -> None:
    told: list[tuple[Key, str]] = []
    kept = status_file(path, tell=lambda key, condition: told.append((key, condition.status)))
    known = kept.identify(manifest("101"), ALICE)
    for truth in (Truth.FALSE, Truth.FALSE, Truth.TRUE):
        await kept.publish({ALICE: ready(known.uid, truth=truth)})
    assert told == [(ALICE, "False"), (ALICE, "True")]


async def test_only_its_owner_may_read_it_and_no_temporary_file_stays(path: Path) -> None:
    kept = status_file(path)
    await kept.publish({ALICE: ready(kept.identify(manifest("101"), ALICE).uid)})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["status.json"]


async def test_a_file_that_cannot_be_written_is_tried_again(path: Path) -> None:
    failures: list[None] = []
    kept = status_file(path, failed=lambda: failures.append(None))
    known = kept.identify(manifest("101"), ALICE)
    path.mkdir()  # a rename onto a folder fails, for root too
    await kept.publish({ALICE: ready(known.uid)})
    assert failures == [None]
    path.rmdir()
    await kept.publish({ALICE: ready(known.uid)})
    assert read_statuses(path).resources[ALICE].status["conditions"][0]["status"] == "True"


async def test_a_damaged_file_is_put_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"format": 1, "resour')
    with pytest.raises(StatusUnreadable, match="not a status file"):
        read_statuses(path)
    await status_file(path).publish({})
    assert path.with_suffix(".unreadable").exists()


async def test_what_is_known_of_the_source_is_kept(path: Path) -> None:
    kept = status_file(path)
    kept.note_source(SourceState("repo@main", "abc", stale=True))
    await kept.flush()
    assert json.loads(path.read_text())["source"]["revision"] == "abc"
    assert read_statuses(path).source["stale"] is True
