"""Whatever the OpenAPI document allows is answered as it says: schemathesis asks, over a real socket."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from dialplane.api.application import schema
from dialplane.api.rate_limit import Rate
from dialplane.services.elevator.api import commands, snapshots
from dialplane.services.infinity.api import events
from dialplane.store import Store
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.manifests import Manifest
from tests.api.infinity_site import SECRETS, of_tenant, site, word
from tests.elevator.api.devices_site import connected, elevator_service
from tests.voicebot.bots_site import KeepsCalls, add_calls, call_keeper

EXAMPLES = 5
"""Of each operation, beside those that the document's bounds and examples give."""
CONFIG = """
[checks]
# Not everything that is wrong can be said in a schema: that there is no such Dongle, for one.
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429]
"""
NEVER = Rate(10**9, 3600)


def roomy(url: str) -> list[Manifest]:
    """Tenants in whose pools nobody has to wait."""
    pools = {"acme": "8001-8999", "globex": "9001-9999"}
    return [
        of_tenant(name, apiUrl=url, supplierId=None, maxConcurrentCalls=900, extensionPool={"numbers": [numbers]})
        for name, numbers in pools.items()
    ]


@pytest.mark.timeout(600)  # 25 s of work; a machine may be busy
async def test_schemathesis_finds_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(commands, "SENT_WITHIN", 0.1)
    monkeypatch.setattr(snapshots, "PICTURE_SECONDS", 0.1)
    connected(store, "town-hall-2")
    await add_calls(store, tmp_path)
    also = {"elevator": elevator_service(store, tmp_path), "voicebot": KeepsCalls(call_keeper(store, tmp_path))}
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    async with (
        await InfinityPeer.start(tmp_path, Account(token="access-token")) as peer,
        site(store, tmp_path, *roomy(peer.url), also=also, rate=NEVER, failure_rate=NEVER) as world,
    ):
        asking = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(tmp_path / "schemathesis.toml"),
                "run",
                f"{world.client.base_url}/api/v1/openapi.json",
            ),
            *("--header", f"Authorization: Bearer {word('everything')}"),
            *("--header", f"X-Callback-Secret: {SECRETS['globex']}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
            *("--seed", "1", "--generation-database", "none", "--no-color", "--request-timeout", "60"),
            *("--continue-on-failure", "--suppress-health-check", "all"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await asyncio.wait_for(asking.communicate(), 540))[0].decode()
    assert asking.returncode == 0, said
    operations = sum(len(methods) for methods in schema(world.app)["paths"].values())
    assert re.search(rf"Tested: {operations}\b", said), said
