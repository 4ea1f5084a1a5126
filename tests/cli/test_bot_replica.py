"""`dialplane bot` as a process: its options, and its Secrets from a folder."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from dialplane.cli.app import main
from dialplane.services.voicebot.desired import DesiredBots, to_json
from dialplane.store import Store, site_views
from tests import forks
from tests.eventually import eventually


def test_a_folder_of_secrets_that_is_not_mounted_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/store.db")
    store = ("--store-url-file", str(tmp_path / "url"))
    with pytest.raises(SystemExit, match="2"):
        main(["bot", "--namespace", "office", *store, "--secrets-dir", str(absent)])
    assert capsys.readouterr().err == f"dialplane: --secrets-dir {absent}: no such folder\n"


async def test_a_process_without_calls_drains_at_once(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path}/store.db", tmp_path / "log"
    with closing(Store.open(url)) as store:
        term = site_views.begin_term(store, "office", "voicebot")
        site_views.publish(store, "office", "voicebot", term, to_json(DesiredBots()))
    command = ["bot", "-n", "office", "--metrics-address", "", "--drain-seconds", "600"]
    env = {**os.environ, "DIALPLANE_STORE_URL": url, "XDG_STATE_HOME": str(tmp_path)}
    with log.open("ab") as output, Path(os.devnull).open() as nothing:
        running = forks.start(command, (nothing.fileno(), output.fileno(), output.fileno()), env=env)
    try:
        await eventually(log.read_text, 30, holds=lambda text: "view followed" in text)
        running.terminate()
        await eventually(lambda: running.exitcode, holds=lambda code: code is not None, why=log.read_text)
        assert running.exitcode == 0
        assert "no more calls are taken" in log.read_text()
    finally:
        running.kill()
        running.join()
