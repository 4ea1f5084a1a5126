"""The webhook's server: it shows the certificate that is in the files, whatever happens to them, and never ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dialplane.kube.admission import AdmissionHandler
from dialplane.kube.errors import UnavailableError
from dialplane.kube.inventory import REFERRED, Inventory
from dialplane.kube.operator import references
from dialplane.kube.shelf import Suspicion
from dialplane.kube.webhook import Webhook
from dialplane.resources.manifest import parse
from testbed import ports
from testbed.certificates import Authority, Pair
from testbed.manifests import as_served, manifest
from tests.eventually import eventually
from tests.kube.world import EXTENSION, Server, list_all, new_inventory

NAME = "DNS:office-admission.office.svc"


def write(folder: Path, pair: Pair) -> None:
    for name, text in pair.secret.items():
        (folder / name).write_text(text)


class Serving:
    """A webhook at work, and the API server's side of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.webhook = Webhook(ports.LOOPBACK, port, folder / "tls.crt", folder / "tls.key", reread_seconds=0.05)

    async def run(self) -> None:
        async for _ in self.webhook(self._answer):
            pass

    async def _answer(self, request: Any, **_: Any) -> Any:
        return {"response": {"uid": request["request"]["uid"], "allowed": True}}

    async def asked(self, authority: Authority) -> bool:
        """Whether it answers to one who trusts that authority."""
        trust = ssl.create_default_context(cadata=authority.certificate)
        url = f"https://{ports.LOOPBACK}:{self.webhook.port}/admission"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(2)) as session,
                session.post(
                    url, json={"request": {"uid": "1"}}, ssl=trust, server_hostname=NAME.removeprefix("DNS:")
                ) as answer,
            ):
                return bool((await answer.json())["response"]["allowed"])
        except (aiohttp.ClientError, OSError):
            return False


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    with ports.lease(1) as lease:
        made = Serving(tmp_path, lease.take())
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()


async def test_a_renewed_certificate_is_shown_without_a_restart(serving: Serving, tmp_path: Path) -> None:
    first, second = Authority.create("first"), Authority.create("second")
    write(tmp_path, first.vouch(NAME))
    await eventually(lambda: serving.asked(first))
    assert not await serving.asked(second)
    write(tmp_path, second.vouch(NAME))
    await eventually(lambda: serving.asked(second))


async def test_files_that_do_not_fit_or_are_not_there_yet_are_waited_for(
    serving: Serving, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    authority = Authority.create("authority")
    pair = authority.vouch(NAME)
    assert not await serving.asked(authority)
    write(tmp_path, pair)
    await eventually(lambda: serving.asked(authority))
    write(tmp_path, Pair(pair.certificate, authority.key))
    await eventually(lambda: "webhook_unserved" in "".join(capfd.readouterr()))
    assert not await serving.asked(authority)
    write(tmp_path, pair)
    await eventually(lambda: serving.asked(authority))


async def unread(kind: str, suspects: Iterable[Suspicion]) -> None:
    raise AssertionError(f"{kind} is read: {suspects}")


async def test_a_review_of_what_is_not_the_sites_reaches_no_handler() -> None:
    """kopf remembers whatever it is asked about, and anybody in the cluster may ask."""
    server, inventory = Server(), new_inventory()
    ann = server.put(EXTENSION, "ann")
    list_all(inventory, server)
    inventory.event(EXTENSION, None, ann)
    seen: list[str] = []
    reviews: list[Any] = []

    async def handler(request: Any, **_: Any) -> Any:
        seen.append(request["request"]["uid"])
        return {"response": {"uid": request["request"]["uid"], "allowed": False}}

    async def listener(fn: Any) -> AsyncIterator[Any]:
        reviews.append(fn)
        yield {}

    async for _ in AdmissionHandler(inventory, unread).guard(listener)(handler):
        pass

    async def ask(uid: str, operation: str, kind: str, name: str, old: str = "", namespace: str = "") -> bool:
        body = {"uid": uid, "operation": operation, "kind": {"kind": kind}, "name": name}
        body |= {"namespace": namespace or inventory.namespace, "oldObject": {"metadata": {"uid": old}}}
        answer = (await reviews[0]({"request": body}))["response"]
        assert answer["uid"] == uid
        return bool(answer["allowed"])

    assert not await ask("1", "CREATE", EXTENSION, "bob")
    assert not await ask("2", "UPDATE", EXTENSION, "ann", ann["metadata"]["uid"])
    assert await ask("3", "UPDATE", EXTENSION, "ann", "invented")
    assert await ask("4", "UPDATE", EXTENSION, "nobody", "invented")
    assert await ask("5", "CREATE", "Invented", "bob")
    assert await ask("6", "CREATE", EXTENSION, "bob", namespace="other")
    assert seen == ["1", "2"]


@pytest.mark.parametrize(
    ("answer", "admitted"),
    [("is there", False), ("is gone", True), ("is another now", True), ("nobody answers", True)],
)
async def test_whom_a_refusal_names_is_read_again_before_it_counts(answer: str, admitted: bool) -> None:
    """The watch may be behind: who was deleted or renumbered a moment ago is in nobody's way."""
    inventory = Inventory("site", ("Asterisk", "Dongle"), parse, references)
    transport = {"name": "udp", "protocol": "udp", "bind": "127.0.0.1:5060"}
    rtp = {"portStart": 10_000, "portEnd": 10_100}
    ann = as_served(manifest("Dongle", "ann", imei="354000000000119"))
    for kind in (*inventory.kinds, *REFERRED):
        inventory.listed(kind, [])
    for each in (as_served(manifest("Asterisk", "pbx", transports=[transport], rtp=rtp)), ann):
        inventory.event(each["kind"], None, each)
        read: list[Suspicion] = []

    async def reread(kind: str, suspects: Iterable[Suspicion]) -> None:
        read.extend(suspects)
        if answer == "nobody answers":
            raise UnavailableError(0, "no answer")
        changed = as_served(manifest("Dongle", "ann", imei="354000000000226"))
        changed["metadata"] |= {"uid": ann["metadata"]["uid"], "generation": 2}
        there = {"is there": {"ann": ann}, "is gone": {}, "is another now": {"ann": changed}}[answer]
        inventory.reread(kind, suspects, there)

    bob = as_served(manifest("Dongle", "bob", imei="354000000000119"))
    verdict = await AdmissionHandler(inventory, reread).review(bob, None)
    assert [each.name for each in read] == ["ann"]
    assert (not verdict.refusals) is admitted, verdict
