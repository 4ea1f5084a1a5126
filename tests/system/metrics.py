"""What both doors serve at /metrics: what the operations page promises, and no name, number or address in a label."""

import asyncio
import re
import urllib.request

from testbed.manifests import manifest
from tests.alerts.known import OPERATIONS, documented
from tests.eventually import eventually
from tests.system.world import World

BUILT_IN = {"le", "quantile"}


async def scraped(world: World) -> str:
    url = f"http://127.0.0.1:{world.door._metrics_port}/metrics"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())


def of_door(name: str, kind: str) -> bool:
    """Whether the page promises it at this door, of a site without devices and bots."""
    row = next(line for line in OPERATIONS.splitlines() if line.startswith((f"| `{name}`", f"| `{name}{{")))
    if "| gateway: " in row or "| bot: " in row:
        return False
    return "operator: " not in row if kind == "standalone" else "`dialplane run`: " not in row


async def all_are_served_that_the_page_tells_of(site: World) -> None:
    """Asserted of a site with the phones 101 and 102, which it calls by no name in its metrics."""
    # Whoever has no modem, message or Notifier has no services, and none of their metrics.
    url = {"name": "notifiers", "key": "office"}
    notifier = manifest("Notifier", "office", urlSecretRef=url, events=["sms.failed"])
    await site.door.apply([notifier], {"notifiers": {"office": "json://127.0.0.1:9/hook"}})
    await site.door.wait_ready()
    await site.registered("101")
    guesser = await site.phone("102", "guessed-secret", name="guesser")
    assert (await guesser.ask("register"))["code"] == 401
    stranger = await site.phone("900", "guessed-secret")
    assert (await stranger.ask("register"))["code"] == 401
    await site.door.said(r"refused.*wrong password \(1\); from 127\.0\.0\.0/24")
    await eventually(lambda: site.door.metric("dialplane_registered_contacts"))
    text = await scraped(site)
    await site.door.delete("Notifier", "office")
    told = documented()
    families = set(re.findall(r"^# TYPE (dialplane_\w+) (?!unknown)", text, re.MULTILINE))
    families = {name for name in families if not name.endswith("_created")}
    assert families <= told.keys()
    assert {name for name in told if of_door(name, site.door.kind)} <= families
    series = re.findall(r"^(dialplane_\w+?)(?:_bucket|_sum|_count|_created)?\{(.*)\} ", text, re.MULTILINE)
    labels = [label for _, given in series for label in re.findall(r'(\w+)="([^"]*)"', given)]
    assert {name for name, _ in labels} <= {name for of in told.values() for name in of} | BUILT_IN
    values = {value for name, value in labels if name not in BUILT_IN}
    assert not [value for value in values if re.search(r"\d{3}|127\.|e101|e102|phone|carrier|wired", value)]
    assert "guessed" not in text + site.door.log
