"""What is written to statuses, when, and what happens to what cannot be written."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dialplane.kube import status_writer as module
from dialplane.kube.access import REFUSED_FOR
from dialplane.kube.addresses import custom
from dialplane.kube.errors import ApiError, ConflictError, ForbiddenError, InvalidError, NotFoundError, UnavailableError
from dialplane.kube.shelf import Suspicion
from dialplane.kube.status_writer import StatusWriter
from dialplane.resources.conditions import Condition, Report
from dialplane.resources.key import Key
from dialplane.tasks import Backoff
from tests.kube.fakes import Clock, FakeApi, Led, Request
from tests.kube.trivial import READY, UNREADY
from tests.kube.world import EXTENSION, KINDS, Server, list_all, new_inventory

ANN = Key(EXTENSION, "ann")


class Bench:
    """A status writer on a miniature namespace, with the API server's side of a patch."""

    def __init__(self, *names: str) -> None:
        self.server = Server()
        for name in names or ("ann",):
            self.server.put(EXTENSION, name)
        self.inventory = new_inventory()
        list_all(self.inventory, self.server)
        self.api = FakeApi(self.patch)
        self.error: ApiError | None = None
        self.prune: frozenset[str] = frozenset()
        self.clock, self.leadership = Clock(), Led()
        self.touched = 0
        self.reread: list[tuple[str, tuple[Suspicion, ...]]] = []
        self.told: list[tuple[Key, str]] = []
        self.refused: list[str] = []
        addresses = {kind: custom(kind, kind.lower() + "s") for kind in KINDS}
        self.writer = StatusWriter(
            api=self.api,
            inventory=self.inventory,
            addresses=addresses,
            leadership=self.leadership,
            events=self,
            reread=self.read_again,
            touch=self.touch,
            refused=lambda kind, _: self.refused.append(kind),
            clock=self.clock,
        )

    def patch(self, request: Request) -> Any:
        if self.error is not None:
            raise self.error
        name = request.path.split("/")[-2]
        current = self.server.objects[EXTENSION, name]
        if request.body["metadata"]["resourceVersion"] != current["metadata"]["resourceVersion"]:
            raise ConflictError(409, "modified")
        status = {**current.get("status", {}), **request.body["status"]}
        status = {k: v for k, v in status.items() if v is not None and k not in self.prune}
        return self.server.set_status(EXTENSION, name, status)

    async def read_again(self, kind: str, suspects: tuple[Suspicion, ...]) -> None:
        self.reread.append((kind, suspects))
        self.inventory.reread(kind, suspects, self.server.of(kind))

    def touch(self) -> None:
        self.touched += 1

    def tell(self, key: Key, uid: str, condition: Condition) -> None:
        assert uid
        self.told.append((key, condition.reason))

    def report(self, name: str = "ann", condition: Condition = READY, **fields: Any) -> dict[Key, Report]:
        key = Key(EXTENSION, name)
        held = self.inventory.held(key)
        assert held is not None
        return {key: Report(key, held.uid, held.resource.generation, (condition,), fields)}

    @property
    def patches(self) -> int:
        return len(self.api.requests)


async def test_the_same_report_is_written_once() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.writer.publish(bench.report(state="up"))
    assert bench.patches == 1
    assert bench.told == [(ANN, "Verified")]
    assert bench.server.objects[EXTENSION, "ann"]["status"]["state"] == "up"


async def test_a_patch_carries_the_version_and_only_what_changed() -> None:
    bench = Bench()
    await bench.writer.publish(bench.report(state="up", provider="x"))
    await bench.writer.publish(bench.report(state="down"))
    body = bench.api.requests[1].body
    assert body["status"] == {"state": "down", "provider": None}
    assert set(body["metadata"]) == {"resourceVersion"}


async def test_numbers_alone_are_written_once_a_minute() -> None:
    bench = Bench()
    for calls in range(5):
        await bench.writer.publish(bench.report(calls=calls))
    assert bench.patches == 1
    bench.clock.now += 61
    await bench.writer.publish(bench.report(calls=9))
    assert bench.patches == 2


async def test_numbers_of_kinds_that_people_watch_are_written_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = replace(module.KINDS[EXTENSION], watched=True)
    monkeypatch.setattr(module, "KINDS", {EXTENSION: watched})
    bench = Bench()
    for calls in range(5):
        await bench.writer.publish(bench.report(calls=calls))
    assert bench.patches == 1
    bench.clock.now += module.WATCHED_EVERY
    await bench.writer.publish(bench.report(calls=9))
    assert bench.patches == 2


async def test_a_number_rides_along_with_a_transition() -> None:
    bench = Bench()
    await bench.writer.publish(bench.report(calls=1))
    await bench.writer.publish(bench.report(calls=2, condition=UNREADY))
    assert bench.patches == 2
    assert bench.server.objects[EXTENSION, "ann"]["status"]["calls"] == 2


async def test_a_number_that_had_to_wait_is_written_though_nothing_else_happens() -> None:
    bench = Bench()
    bench.writer.numbers_every = 0.05
    await bench.writer.publish(bench.report(calls=1))
    await bench.writer.publish(bench.report(calls=2))
    assert bench.patches == 1
    task = asyncio.create_task(bench.writer.keep_numbers_fresh())
    bench.clock.now += 1
    async with asyncio.timeout(5):
        while bench.server.objects[EXTENSION, "ann"]["status"]["calls"] != 2:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_what_one_term_left_waiting_is_not_written_in_the_next() -> None:
    bench = Bench()
    bench.writer.numbers_every = 0.05
    await bench.writer.publish(bench.report(calls=1))
    await bench.writer.publish(bench.report(calls=2))
    bench.writer.begin_term()
    task = asyncio.create_task(bench.writer.keep_numbers_fresh())
    await asyncio.sleep(0.06)
    bench.clock.now += 1
    await asyncio.sleep(0.1)
    task.cancel()
    assert bench.patches == 1


async def test_a_conflict_is_read_again_and_never_repeated_blindly() -> None:
    bench = Bench()
    bench.server.set_status(EXTENSION, "ann", {"foreign": True})  # and the watch has not said so yet
    await bench.writer.publish(bench.report(state="up"))
    assert bench.patches == 1
    assert [kind for kind, _ in bench.reread] == [EXTENSION]
    assert bench.touched == 1
    await bench.writer.publish(bench.report(state="up"))
    assert "foreign" not in bench.server.objects[EXTENSION, "ann"]["status"]


async def test_a_report_on_a_predecessor_is_not_written_to_its_namesake() -> None:
    bench = Bench()
    report = bench.report()
    bench.inventory.event(EXTENSION, "DELETED", bench.server.delete(EXTENSION, "ann"))
    await bench.writer.publish(report)
    bench.inventory.event(EXTENSION, "ADDED", bench.server.put(EXTENSION, "ann"))
    await bench.writer.publish(report)
    assert bench.patches == 0


async def test_a_deposed_one_writes_nothing() -> None:
    bench = Bench()
    bench.leadership.value = False
    await bench.writer.publish(bench.report())
    assert bench.patches == 0


async def test_what_the_server_refuses_is_not_sent_again_until_something_changes() -> None:
    bench = Bench()
    bench.error = InvalidError(422, "no")
    for _ in range(3):
        await bench.writer.publish(bench.report(state="up"))
    assert bench.patches == 1
    assert bench.touched == 0
    await bench.writer.publish(bench.report(state="down"))
    assert bench.patches == 2


async def test_what_is_forbidden_is_tried_again_for_some_seconds_and_then_no_more() -> None:
    bench = Bench()
    bench.error = ForbiddenError(403, "a server that starts, or a webhook")
    await bench.writer.publish(bench.report(state="up"))
    bench.clock.now += REFUSED_FOR
    for _ in range(3):
        await bench.writer.publish(bench.report(state="up"))
    assert bench.patches == 2
    bench.error = None
    await bench.writer.publish(bench.report(state="down"))
    assert bench.server.objects[EXTENSION, "ann"]["status"]["state"] == "down"


async def test_one_failure_among_many_is_not_forgotten_for_those_that_end_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They run side by side: the first fails while the others wait for their answers."""
    monkeypatch.setattr(module, "BACKOFF", Backoff(0.01, 30))
    bench = Bench(*(f"e{number}" for number in range(10)))
    bench.api.seconds = 0.01
    answer = bench.api.answer

    def first_fails(request: Request) -> Any:
        if request.path.endswith("/e0/status"):
            raise UnavailableError(503, "not now")
        return answer(request)

    bench.api.answer = first_fails
    reports = {key: report for n in range(10) for key, report in bench.report(f"e{n}").items()}
    await bench.writer.publish(reports)
    async with asyncio.timeout(5):
        while not bench.touched:
            await asyncio.sleep(0.01)
    assert bench.touched == 1


async def test_an_object_that_is_gone_is_no_error() -> None:
    bench = Bench()
    bench.error = NotFoundError(404, "gone")
    await bench.writer.publish(bench.report())
    assert bench.touched == 0


async def test_an_unreachable_server_is_asked_again_later_not_at_once() -> None:
    bench = Bench("ann", "bob")
    bench.error = UnavailableError(0, "no answer")
    now = asyncio.get_running_loop().time
    for round_, wait in enumerate((1, 2, 4), start=1):
        await bench.writer.publish({**bench.report("ann"), **bench.report("bob")})
        assert bench.patches == 2 * round_
        assert bench.touched == 0
        assert bench.writer._retrying is not None
        assert bench.writer._retrying.when() - now() == pytest.approx(wait, abs=0.5)


async def test_a_field_that_the_server_drops_is_not_written_for_ever() -> None:
    bench = Bench()
    bench.prune = frozenset({"novelty"})
    for _ in range(3):
        await bench.writer.publish(bench.report(novelty="x", state="up"))
    assert bench.patches == 1


async def test_a_null_in_a_report_is_no_difference() -> None:
    bench = Bench()
    for _ in range(2):
        await bench.writer.publish(bench.report(provider=None))
    assert bench.patches == 1


async def test_patches_run_side_by_side_but_not_without_bound() -> None:
    names = [f"e{n}" for n in range(100)]
    bench = Bench(*names)
    bench.api.seconds = 0.01
    await bench.writer.publish({k: r for name in names for k, r in bench.report(name).items()})
    assert bench.patches == 100
    assert bench.api.most_in_flight == 24
