"""What both doors serve at /metrics: what the operations page promises, and no name, number or address in a label."""

import asyncio
import re
import sys
import urllib.request

import pytest

from testbed.manifests import manifest
from tests.alerts.known import OPERATIONS, documented
from tests.system.conftest import DOORS
from tests.system.doors import Standalone
from tests.system.world import World, phones

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUILT_IN = {"le", "quantile"}


async def scraped(world: World) -> str:
    url = f"http://127.0.0.1:{world.door._metrics_port}/metrics"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())


def of_door(name: str, kind: str) -> bool:
    """Whether the page promises it at this door."""
    row = next(line for line in OPERATIONS.splitlines() if line.startswith((f"| `{name}`", f"| `{name}{{")))
    return "operator: " not in row if kind == "standalone" else "`dialplane run`: " not in row


async def test_all_is_served_that_the_page_tells_of(fresh: World) -> None:
    extensions, secrets = phones(("101", "102"))
    # Whoever has no modem, message or Notifier has no services, and none of their metrics.
    url = {"name": "notifiers", "key": "office"}
    notifier = manifest("Notifier", "office", urlSecretRef=url, events=["sms.failed"])
    secrets["notifiers"] = {"office": "json://127.0.0.1:9/hook"}
    await fresh.door.apply([fresh.pbx(), *extensions, notifier], secrets)
    await fresh.door.wait_ready()
    await fresh.registered("101")
    guesser = await fresh.phone("102", "guessed-secret", name="guesser")
    assert (await guesser.ask("register"))["code"] == 401
    stranger = await fresh.phone("900", "guessed-secret")
    assert (await stranger.ask("register"))["code"] == 401
    await fresh.door.said(r"refused.*wrong password \(1\); from 127\.0\.0\.0/24")
    async with asyncio.timeout(20):
        while not await fresh.door.metric("dialplane_registered_contacts"):
            await asyncio.sleep(0.2)
    text = await scraped(fresh)
    told = documented()
    families = set(re.findall(r"^# TYPE (dialplane_\w+) (?!unknown)", text, re.MULTILINE))
    families = {name for name in families if not name.endswith("_created")}
    assert families <= told.keys()
    assert {name for name in told if of_door(name, fresh.door.kind)} <= families
    series = re.findall(r"^(dialplane_\w+?)(?:_bucket|_sum|_count|_created)?\{(.*)\} ", text, re.MULTILINE)
    labels = [label for _, given in series for label in re.findall(r'(\w+)="([^"]*)"', given)]
    assert {name for name, _ in labels} <= {name for of in told.values() for name in of} | BUILT_IN
    values = {value for name, value in labels if name not in BUILT_IN}
    assert not [value for value in values if re.search(r"\d{3}|127\.|e101|e102|phone", value)]
    assert "guessed" not in text + fresh.door.log


@pytest.mark.parametrize("door_kind", DOORS[:1], indirect=True, scope="module")  # kubectl's are in test_kube_door
async def test_get_shows_the_columns_of_asterisk(fresh: World) -> None:
    assert isinstance(fresh.door, Standalone)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialplane.cli", "get", "asterisk", "--state-dir", str(fresh.door.state)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    header, row = (line.split() for line in out.decode().splitlines()[-2:])
    assert header[1:] == ["STATE", "VERSION", "CHANNELS", "REGISTRATIONS", "READY", "AGE"]
    assert (row[1], row[3], row[5]) == ("Normal", "0", "True")
    assert row[4] in {"0", "1"}  # numbers change once a minute
