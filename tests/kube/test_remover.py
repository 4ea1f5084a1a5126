"""What is over is deleted, by its uid, on a real API server that knows what the operator may."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from dialplane.kube.addresses import custom
from dialplane.kube.api import Connection, KubeApi
from dialplane.kube.lease import Alone
from dialplane.kube.remover import Remover
from dialplane.resources.key import Key
from tests.kube.conftest import LIMITED, Site

TEXT = {"dongle": "gsm-1", "to": "+15550100", "text": "Hello"}
GRANT = [{"apiGroups": ["dialplane.io"], "resources": ["smsmessages"], "verbs": ["delete"]}]


@pytest.fixture
async def remover(site: Site) -> AsyncIterator[Remover]:
    connection = Connection(kubeconfig=str(site.server.kubeconfig(LIMITED, namespace=site.namespace)))
    async with KubeApi(await connection.configuration()) as api:
        yield Remover(api, site.namespace, {"SmsMessage": custom("SmsMessage", "smsmessages")}, Alone(), time.monotonic)


def names(site: Site) -> list[str]:
    return [m["metadata"]["name"] for m in site.items("SmsMessage")]


async def gone(site: Site, name: str) -> bool:
    for _ in range(30):
        if name not in names(site):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_message_that_is_over_goes(site: Site, remover: Remover) -> None:
    site.grant(LIMITED, GRANT)
    uid = site.create("SmsMessage", "old", TEXT)["metadata"]["uid"]
    site.create("SmsMessage", "new", TEXT)
    remover.remove(Key("SmsMessage", "old"), uid)
    assert await gone(site, "old")
    assert names(site) == ["new"]


async def test_another_one_of_that_name_stays(site: Site, remover: Remover) -> None:
    site.grant(LIMITED, GRANT)
    uid = site.create("SmsMessage", "greeting", TEXT)["metadata"]["uid"]
    site.delete("SmsMessage", "greeting")
    site.create("SmsMessage", "greeting", TEXT)
    remover.remove(Key("SmsMessage", "greeting"), uid)
    await asyncio.sleep(1)
    assert names(site) == ["greeting"]


async def test_without_the_right_it_stays_and_is_not_asked_for_again_at_once(site: Site, remover: Remover) -> None:
    first = site.create("SmsMessage", "first", TEXT)["metadata"]["uid"]
    second = site.create("SmsMessage", "second", TEXT)["metadata"]["uid"]
    remover.remove(Key("SmsMessage", "first"), first)
    await asyncio.sleep(1)
    site.grant(LIMITED, GRANT)
    remover.remove(Key("SmsMessage", "second"), second)
    await asyncio.sleep(1)
    assert sorted(names(site)) == ["first", "second"]
