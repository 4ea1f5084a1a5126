"""A whole site, planned by the product, is verified by the running Asterisk: every object, nothing left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from dialplane.asterisk.readback import gone, read_back
from dialplane.asterisk.reload import reload
from dialplane.plan.objects import Objects
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.standalone.files import read_paths
from dialplane.standalone.site import SiteReader
from tests.asterisk.real_asterisk import Pbx

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("asterisk-office")]  # in order

OFFICE = Path(__file__).parents[2] / "examples/office"


def planned(pbx: Pbx) -> Plan:
    """The example, on this instance's ports."""
    asterisk = pbx.asterisk
    ports = {
        "127.0.0.1:5060": f"127.0.0.1:{asterisk.sip_port}",
        "portStart: 10000": f"portStart: {asterisk.rtp_start}",
        "portEnd: 10200": f"portEnd: {asterisk.rtp_end}",
    }
    files = []
    for file in read_paths([OFFICE]):
        text = file.data
        for old, new in ports.items():
            text = text.replace(old.encode(), new.encode())
        files.append(replace(file, data=text))
    site = SiteReader().read(files)
    assert not site.errors
    plan = Planner(load(), str(asterisk.etc / "dialplane")).plan(site.snapshot)
    assert not plan.problems
    return plan


async def test_the_example_is_verified_whole(pbx: Pbx) -> None:
    plan = planned(pbx)
    assert plan.objects.pjsip
    assert plan.objects.contexts
    for name, text in plan.files.items():
        pbx.asterisk.write(f"dialplane/{name}", text)
    for module in ("res_pjsip.so", "pbx_config.so", "app_voicemail.so", "cdr"):
        assert (await reload(pbx.ami, module)).succeeded
    assert await read_back(pbx.ami, plan.objects) == ()


async def test_none_of_it_is_gone(pbx: Pbx) -> None:
    objects = planned(pbx).objects
    left = await gone(pbx.ami, objects)
    assert len(left) == sum(map(len, (_shown(objects), objects.contexts, objects.mailboxes)))


def _shown(objects: Objects) -> list[object]:
    return [o for o in objects.pjsip if o.type not in {"global", "system"}]
