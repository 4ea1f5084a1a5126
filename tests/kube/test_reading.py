"""LISTs against an API server that pages, forgets, is slow to load its kinds, or goes back in time."""

from collections.abc import Mapping
from typing import Any

import pytest

from dialplane.kube import reading
from dialplane.kube.access import Rights
from dialplane.kube.addresses import custom
from dialplane.kube.errors import GoneError, HistoryRewrittenError, KindNotServedError, NotFoundError
from dialplane.kube.inventory import REFERRED
from dialplane.kube.reading import Reader
from dialplane.kube.shelf import Suspicion
from dialplane.resources.key import Key
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


async def test_a_list_that_began_before_a_newer_answer_is_no_step_back() -> None:
    """Two LISTs at once: the pages of the first carry the version it began with."""
    bench = Bench(page(100, more="token"))
    pages = bench.reader._pages(bench.reader._addresses[EXTENSION])
    await anext(pages)
    bench.answers = [page(150)]
    await bench.reader.read(EXTENSION, suspicions(1))
    bench.answers = [page(100)]
    assert [found.version async for found in pages] == ["100"]


async def test_a_kind_that_is_loaded_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ABSENT_FOR", 0.3)
    bench = Bench(NotFoundError(404, "no"), NotFoundError(404, "no"), page(1))
    for kind in (*KINDS, *REFERRED):
        await bench.reader.fill(kind)
    assert bench.inventory.passed


async def test_a_kind_that_stays_away_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ABSENT_FOR", 0.05)
    bench = Bench(NotFoundError(404, "no"))
    with pytest.raises(KindNotServedError, match=r"extensions\.dialplane\.io"):
        await bench.reader.fill(EXTENSION)


async def test_a_kind_is_filled_page_by_page_and_the_watch_goes_on_from_the_version_of_the_list() -> None:
    server = Server()
    first, second = server.put(EXTENSION, "e0"), server.put(EXTENSION, "e1")
    bench = Bench(page(200, first, more="token"), page(200, second))
    assert await bench.reader.fill(EXTENSION) == "200"
    assert bench.inventory.count(EXTENSION) == 2
    assert EXTENSION not in bench.inventory.waiting_for


async def test_a_fill_prunes_what_went_while_nobody_watched() -> None:
    bench = Bench(page(200))
    bench.server.put(EXTENSION, "ghost")
    list_all(bench.inventory, bench.server)
    await bench.reader.fill(EXTENSION)
    assert bench.inventory.count(EXTENSION) == 0


async def test_a_fill_that_expires_half_way_begins_anew_without_what_went_meanwhile() -> None:
    server = Server()
    gone, stays = server.put(EXTENSION, "e0"), server.put(EXTENSION, "e1")
    bench = Bench(page(200, gone, more="token"), GoneError(410, "expired"), page(201, stays))
    await bench.reader.fill(EXTENSION)
    assert bench.inventory.held(Key(EXTENSION, "e0")) is None
    assert EXTENSION not in bench.inventory.waiting_for
