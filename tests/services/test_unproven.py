"""What is reported of a bot while the services start, and where they cannot."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.services import voicebot
from dialplane.services.contract import ServiceReport
from dialplane.services.runner import ServiceOptions, SiteServices
from dialplane.store import StoreError
from tests.voicebot.leader.bots import bot, view

DESK = Key("VoiceBot", "desk")


async def test_a_bot_is_awaited_until_its_service_runs_and_in_doubt_where_it_cannot(tmp_path: Path) -> None:
    options = ServiceOptions(SecretStr(f"sqlite:///{tmp_path}/absent/store.db"), "", tmp_path)
    services = SiteServices(options, lambda *_: None, [voicebot.SERVICE])
    services.observe(view(bot(), refused=[bot("broken")]))
    assert services.reports() == {DESK: ServiceReport(awaited=True)}
    with pytest.raises(StoreError):
        await services.run(lambda: None)
    report = services.reports()[DESK]
    assert [(str(each.reason), report.awaited) for each in report.conditions] == [("StoreUnavailable", False)]
