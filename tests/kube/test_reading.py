"""LISTs against an API server that pages, forgets, is slow to load its kinds, or goes back in time."""

from collections.abc import Mapping
from typing import Any

import pytest

from dialplane.kube import reading
from dialplane.kube.access import Rights
from dialplane.kube.addresses import custom
from dialplane.kube.errors import GoneError, HistoryRewrittenError, KindNotServedError, NotFoundError
from dialplane.kube.reading import Reader
from dialplane.kube.shelf import Suspicion
from tests.kube.fakes import FakeApi, Request
from tests.kube.world import EXTENSION, KINDS, Server, list_all, new_inventory


class Bench:
    """A reader whose API server answers from a list of answers (bodies, or errors to raise)."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.api = FakeApi(self.answer)
        self.server = Server()
        self.inventory = new_inventory()
        addresses = [custom(kind, kind.lower() + "s") for kind in KINDS]
        self.fed = 0
        self.reader = Reader(self.api, self.inventory, addresses, self.feed, Rights(self.api, "site"))

    def feed(self) -> None:
        self.fed += 1

    def answer(self, _: Request) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(version: int, *objects: Mapping[str, Any], more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(objects)}


def suspicions(count: int) -> tuple[Suspicion, ...]:
    return tuple(Suspicion(f"e{n}", "") for n in range(count))


async def test_a_few_doubts_are_read_by_name_and_many_by_one_list() -> None:
    bench = Bench(page(1))
    list_all(bench.inventory, bench.server)
    await bench.reader.read(EXTENSION, suspicions(3))
    assert len(bench.api.requests) == 3
    await bench.reader.read(EXTENSION, suspicions(100))
    assert len(bench.api.requests) == 4


async def test_all_pages_are_read() -> None:
    server = Server()
    first, second = server.put(EXTENSION, "e0"), server.put(EXTENSION, "e1")
    bench = Bench(page(200, first, more="token"), page(200, second))
    await bench.reader.read(EXTENSION, suspicions(20))
    assert bench.inventory.count(EXTENSION) == 2


async def test_an_expired_page_begins_the_list_anew() -> None:
    server = Server()
    objects = [server.put(EXTENSION, "e0"), server.put(EXTENSION, "e1")]
    bench = Bench(page(200, objects[0], more="token"), GoneError(410, "expired"), page(200, *objects))
    await bench.reader.read(EXTENSION, suspicions(20))
    assert bench.inventory.count(EXTENSION) == 2


async def test_an_api_server_that_goes_back_in_time_ends_the_process() -> None:
    bench = Bench(page(200), page(150))
    await bench.reader.read(EXTENSION, suspicions(20))
    with pytest.raises(HistoryRewrittenError, match="from 200 to 150"):
        await bench.reader.read(EXTENSION, suspicions(20))


async def test_a_kind_that_is_loaded_late_is_waited_for() -> None:
    bench = Bench(NotFoundError(404, "no"), NotFoundError(404, "no"), page(1))
    await bench.reader.list_all(attempts_apart=0.01)
    assert bench.inventory.passed


async def test_a_kind_that_stays_away_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ABSENT_FOR", 0.05)
    bench = Bench(NotFoundError(404, "no"))
    with pytest.raises(KindNotServedError, match=r"extensions\.dialplane\.io"):
        await bench.reader.list_all(attempts_apart=0.01)


async def test_what_the_watch_never_shows_is_read_by_ourselves() -> None:
    bench = Bench()
    ann = bench.server.put(EXTENSION, "ann")
    list_all(bench.inventory, bench.server, settle=False)
    assert not bench.inventory.passed
    bench.answers = [page(200, ann)]
    await bench.reader.await_barrier(patience=0.05)
    assert bench.inventory.passed
