"""The leader keeps calls in order: lost ones are closed, old ones go, and what a caller leaves is erased."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dialplane.services.contract import Context, Outbox
from dialplane.services.voicebot.leader.housekeeping import GRACE_SECONDS, CallKeeper, Erased
from dialplane.services.voicebot.tables import calls, turns
from dialplane.services.voicebot.tables.call_changes import NewTurn
from dialplane.services.voicebot.tables.calls import CallFilter
from dialplane.storage.errors import StorageError
from dialplane.storage.object_storage import ObjectStorage
from dialplane.storage.options import StorageOptions
from dialplane.store import Store, site_views
from testbed.manifests import Manifest, manifest
from tests.databases import NOW
from tests.infinity.site import view
from tests.voicebot.calls_made import SITE, call, end, turn, turns_kept, write

DAY = 24 * 60
GREETER: dict[str, Any] = {
    "dialog": {"start": "bye", "states": [{"name": "bye", "say": {"text": "Bye."}, "action": {"hangup": True}}]},
    "fallback": {"to": {"hangup": True}},
}


def bot(name: str, **spec: Any) -> Manifest:
    return manifest("VoiceBot", name, **{**GREETER, **spec})


class Kept:
    """A keeper, and the storage beside it."""

    def __init__(self, store: Store, tmp_path: Path, *manifests: Manifest) -> None:
        self.store = store
        self.folder = tmp_path / "objects"
        self.options = StorageOptions(url=f"file://{self.folder}", spool=tmp_path / "spool")
        context = Context(store, SITE, lambda *_: None, Outbox(), storage=self.options)
        self.keeper = CallKeeper(context, now=lambda: NOW + timedelta(days=100))
        self.keeper.observe(view(manifests))

    async def add(self, name: str, *, days_ago: float, of: str = "reception", **more: Any) -> None:
        """A call with a turn and a recording, that is over."""
        key = f"reception/{name}.wav"
        await ObjectStorage.open(self.options.url).put(key, b"RIFF", "audio/wav")
        began = {"minutes": (100 - days_ago) * DAY}
        write(
            self.store,
            call(name, bot=of, **began, **more),
            turns=(NewTurn(name, 1, turn()),),
            ended=(end(name, recording=key),),
        )

    def calls(self) -> set[str]:
        return {each.id for each in calls.page(self.store, SITE, CallFilter(), limit=50).calls}

    def recordings(self) -> set[str]:
        return {each.stem for each in self.folder.rglob("*.wav")}


async def test_each_bots_calls_are_kept_as_long_as_it_says(store: Store, tmp_path: Path) -> None:
    recording = {"consent": "This call is recorded.", "retentionDays": 20}
    kept = Kept(
        store,
        tmp_path,
        bot("reception", transcriptDays=10, recording=recording),
        bot("archive", transcriptDays=99),
        bot("broken", transcriptDays="many"),
    )
    for name, days_ago in (("young", 5), ("middling", 15), ("old", 25)):
        await kept.add(name, days_ago=days_ago)
    await kept.add("archived", days_ago=40, of="archive")
    await kept.add("unknown", days_ago=99.5, of="broken")
    await kept.add("gone", days_ago=31, of="deleted")
    await kept.keeper.prune()
    assert kept.calls() == {"young", "middling", "archived", "unknown"}
    assert kept.recordings() == {"young", "middling", "unknown"}
    assert turns.of_call(store, SITE, "middling") == ()
    assert turns_kept(store) == 3
    await kept.keeper.prune()
    assert kept.calls() == {"young", "middling", "archived", "unknown"}


async def test_words_are_forgotten_though_the_storage_is_away(store: Store, tmp_path: Path) -> None:
    kept = Kept(store, tmp_path, bot("reception", transcriptDays=10))
    await kept.add("old", days_ago=40)
    kept.folder.rename(tmp_path / "away")
    kept.folder.write_text("no folder")
    with pytest.raises(StorageError):
        await kept.keeper.prune()
    assert turns_kept(store) == 0
    assert kept.calls() == {"old"}, "its row still names the recording"


async def test_what_a_caller_leaves_is_erased(store: Store, tmp_path: Path) -> None:
    germany = manifest("Asterisk", "pbx", numbering={"countryCode": "49"})
    kept = Kept(store, tmp_path, bot("reception"), germany)
    await kept.add("theirs", days_ago=1, caller="0305550111")
    await kept.add("theirs-too", days_ago=1, caller="+49305550111")
    await kept.add("other", days_ago=1)
    write(store, call("now", caller="+49305550111"))
    assert await kept.keeper.erase("+49305550111") == Erased(2, 2, 1)
    assert kept.calls() == {"other", "now"}
    assert kept.recordings() == {"other"}
    assert await kept.keeper.erase("+49305550111") == Erased(0, 0, 1)


async def test_a_recording_that_may_not_be_stored_yet_is_not_forgotten(store: Store, tmp_path: Path) -> None:
    kept = Kept(store, tmp_path, bot("reception"))
    key, end_at = "reception/late.wav", 100 * DAY * 60 - 30
    write(store, call("late", minutes=100 * DAY - 5), ended=(end("late", seconds=end_at, recording=key),))
    assert await kept.keeper.erase("+15550111") == Erased(0, 0, 1)
    assert kept.calls() == {"late"}


async def test_what_a_lost_call_recorded_is_found_and_goes_with_it(store: Store, tmp_path: Path) -> None:
    recording = {"consent": "This call is recorded."}
    kept = Kept(store, tmp_path, bot("reception", recording=recording), bot("night"))
    write(store, call("dpbot-1.7-1-1"), call("dpbot-1.8-1-1", bot="night"))
    await kept.keeper.close_lost(0)
    assert await kept.keeper.close_lost(GRACE_SECONDS) == 2
    named = {each.id: each.recording for each in calls.page(store, SITE, CallFilter(), limit=9).calls}
    assert named == {"dpbot-1.7-1-1": f"{SITE}/bot-recordings/reception/dpbot-1-7-1-1.wav", "dpbot-1.8-1-1": None}
    assert await kept.keeper.erase("+15550111") == Erased(2, 1, 0)


async def test_a_replica_that_comes_back_in_time_loses_no_call(store: Store, tmp_path: Path) -> None:
    kept = Kept(store, tmp_path, bot("reception"))
    write(store, call("c-1"))
    assert await kept.keeper.close_lost(0) == 0
    site_views.join(store, SITE, "bot-1", timedelta(minutes=1))
    assert await kept.keeper.close_lost(GRACE_SECONDS + 1) == 0
    site_views.leave(store, SITE, "bot-1")
    assert await kept.keeper.close_lost(GRACE_SECONDS + 2) == 0
    assert await kept.keeper.close_lost(2 * GRACE_SECONDS + 2) == 1
