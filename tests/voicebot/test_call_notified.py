"""What people hear of a bot's calls, as a webhook gets it: that they were, how they ended, and no word of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialplane.services.notify.delivery import Patience
from dialplane.services.voicebot.tables.call_changes import NewTurn
from dialplane.services.voicebot.tables.calls import CallOutcome
from dialplane.store import Store
from testbed.peer import PeerProcess
from tests.notify.site import NotifyRig, notifier
from tests.voicebot.calls_made import WORDS, call, end, turn, write


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    options = {"directory": str(tmp_path)}
    async with await PeerProcess.launch("receiver", tmp_path / "receiver.log", options, name="receiver") as peer:
        yield peer


async def test_people_hear_how_calls_ended(store: Store, receiver: PeerProcess) -> None:
    async with NotifyRig(store, Patience()) as rig:
        events = ["voicebot.call", "voicebot.failed"]
        rig.serve(notifier("desk", events=events), desk=f"json://127.0.0.1:{receiver.address[1]}/hook/desk")
        write(
            store,
            call("c-1"),
            call("c-2", bot="night"),
            turns=(NewTurn("c-1", 1, turn()),),
            ended=(
                end("c-1", CallOutcome.TRANSFERRED, target="sales", variables={"name": WORDS}),
                end("c-2", CallOutcome.FALLBACK, seconds=3, reason="the speech service does not answer"),
            ),
        )
        rig.service.wake()
        went_on = await receiver.event("received", title="Call with bot reception")
        failed = await receiver.event("received", title="Bot night could not serve a caller")
    assert went_on["text"].startswith("The caller was sent on after 34 s, in the state sales.")
    assert failed["text"].startswith("The caller went to the fallback after 3 s: the speech service does not answer.")
    assert "4711" not in str((went_on, failed))
