"""The soak, short: it passes on a site that follows, and fails on one that does not."""

from pathlib import Path

import pytest

from bench import soak
from bench.mix import Mix
from bench.soak import DoorName, SoakFailedError
from testbed.kube.server import ApiServer


async def test_after_30_changes_all_is_true_and_nothing_is_left_over(server: ApiServer, tmp_path: Path) -> None:
    said: list[str] = []
    await soak.soak(DoorName.KUBE, changes=30, size=15, directory=tmp_path, say=said.append, server=server)
    assert "MiB after the warm-up" in said[-1]


async def test_what_is_untrue_in_the_end_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_SETTLE_SECONDS", 1)
    monkeypatch.setattr(Mix, "heal", lambda _: [])
    with pytest.raises(SoakFailedError, match=r"e1\d+ is not Ready\n(.*\n)*Asterisk "):
        await soak.soak(DoorName.STANDALONE, changes=30, size=15, directory=tmp_path, say=lambda _: None)
