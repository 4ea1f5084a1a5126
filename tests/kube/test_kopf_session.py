"""What kopf is answered: cuts, silence, forgotten versions, refusals and echoes, asked of kopf itself.

kopf runs here as in the operator, against an API server in miniature. Three of the tests hold what the session relies on
beyond kopf's documentation: it reads a watch by `content.iter_chunked` and takes the version of a bookmark
(`…_echo_…`), and it lists anew at a 410 (`…_forgotten_…`).
"""

import asyncio
import json

import pytest

from dialplane.kube import kopf_session
from dialplane.kube.errors import HistoryRewrittenError, KindNotServedError, RightMissingError
from dialplane.kube.inventory import CONFIG_MAP, SECRET
from dialplane.resources.key import Key
from tests.kube.miniature import CUT, HANG, PLURALS, Miniature, Step, bookmark, error, opened
from tests.kube.world import EXTENSION, Server

ANN, BOB = Key(EXTENSION, "ann"), Key(EXTENSION, "bob")


async def test_every_object_of_a_list_and_every_event_goes_through_its_handler() -> None:
    server = Miniature(page=1)
    for name in ("ann", "bob"):
        server.world.put(EXTENSION, name)
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed)
        assert [type_ for _, type_, _ in door.handled] == [None, None]
        await server.tell(EXTENSION, "MODIFIED", server.world.put(EXTENSION, "ann", 7))
        await server.tell(EXTENSION, "DELETED", server.world.delete(EXTENSION, "bob"))
        await door.until(lambda: door.inventory.held(BOB) is None)
    assert sorted(str(type_) for _, type_, _ in door.handled) == ["DELETED", "MODIFIED", "None", "None"]
    assert server.lists == 1


async def test_the_barrier_waits_for_every_listed_object() -> None:
    server, seen = Miniature(), []
    server.world.put(EXTENSION, "ann")
    async with opened(server, deliver=lambda *event: seen.append(event)) as door:
        await door.until(lambda: seen)
        assert door.inventory.waiting_for == (EXTENSION,)
        door.inventory.event(*seen[0])
        assert door.inventory.passed


async def test_a_watch_begins_where_the_list_ended_and_goes_on_from_the_last_version() -> None:
    world = Server()
    ann = world.put(EXTENSION, "ann")
    server = Miniature(world, [[{"type": "ADDED", "object": ann}], [bookmark(520)]])
    world.objects.clear()
    async with opened(server) as door:
        await door.until(lambda: len(server.since) == 3)
        await door.until(lambda: door.inventory.held(ANN))
    assert server.since == ["101", "101", "520"]
    assert server.lists == 1


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([bookmark(510), CUT], id="cut"),
        pytest.param([bookmark(510), b'{"type":"MODIF', CUT], id="cut in a line"),
        pytest.param([bookmark(510), b"<html>\n"], id="no JSON"),
        pytest.param([bookmark(510), b"[1]\n"], id="no event"),
        pytest.param([bookmark(510), b'{"type":"MODIFIED","object":{}}\n'], id="no version"),
        pytest.param([bookmark(510), error(500)], id="an error"),
        pytest.param([bookmark(510), HANG], id="silence"),
    ],
)
async def test_a_watch_that_breaks_goes_on_from_the_last_version_without_a_list(
    monkeypatch: pytest.MonkeyPatch, trouble: list[Step]
) -> None:
    monkeypatch.setattr(kopf_session, "SILENCE", 0.1)
    server = Miniature(watches=[trouble])
    async with opened(server) as door:
        await door.until(lambda: len(server.since) == 2)
        server.world._version = 520
        await server.tell(EXTENSION, "ADDED", server.world.put(EXTENSION, "ann"))
        await door.until(lambda: door.inventory.held(ANN))
    assert server.since[:2] == ["100", "510"]
    assert server.lists == 1


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_watch_that_is_not_admitted_now_is_asked_for_again(status: int) -> None:
    server = Miniature(watches=[status, status])
    async with opened(server) as door:
        await door.until(lambda: len(server.since) == 3)
    assert set(server.since) == {"100"}
    assert server.lists == 1


@pytest.mark.parametrize("refusal", [410, 404, 504, [error(410)], [error(504)]])
async def test_a_forgotten_version_is_replaced_by_a_list_and_leaves_no_ghost(refusal: list[Step] | int) -> None:
    server = Miniature(watches=[[HANG]])
    server.world.put(EXTENSION, "ann")
    server.world.put(EXTENSION, "bob")
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)
        server.world.delete(EXTENSION, "bob")
        server.world.put(EXTENSION, "ann", 7)
        server.watches.append(refusal)
        server.cut()
        await door.until(lambda: door.inventory.held(BOB) is None)
        await door.until(lambda: door.inventory.held(ANN).version == "104")
        await door.until(lambda: server.since[-1] == "104")
    assert server.lists == 2


async def test_a_ghost_that_kopf_has_yet_to_hand_on_is_none_either() -> None:
    """The first LIST expired half-way; its objects may wait in kopf while the second one is compared."""
    server, late = Miniature(page=1, refusals=[410]), []
    server.world.put(EXTENSION, "ann")
    server.world.put(EXTENSION, "bob")

    def deliver(kind: str, type_: str | None, obj: dict[str, dict[str, str]]) -> None:
        if obj["metadata"]["name"] == "ann" and not late:
            late.append(obj)
            server.world.delete(EXTENSION, "ann")
        else:
            door.inventory.event(kind, type_, obj)

    async with opened(server, deliver=deliver) as door:
        door.session.handled = lambda *_: None  # type: ignore[method-assign] -- as long as it waits
        await door.until(lambda: door.inventory.passed)
        door.inventory.event(EXTENSION, None, late[0])
        assert door.inventory.held(ANN) is None
        assert door.inventory.held(BOB) is not None


async def test_a_list_that_is_not_answered_in_time_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_session, "LIST_TIMEOUT", 0.05)
    server = Miniature(slow=[10, 10])
    server.world.put(EXTENSION, "ann")
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed)
    assert server.lists == 1


async def test_pages_that_expire_are_replaced_by_one_that_holds_everything() -> None:
    server = Miniature(page=1, refusals=[410])
    for name in ("ann", "bob", "eve"):
        server.world.put(EXTENSION, name)
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed)
        assert door.inventory.count(EXTENSION) == 3
        await door.until(lambda: server.since == ["103"])


async def test_a_history_that_went_back_ends_the_process() -> None:
    server = Miniature(watches=[[HANG]])
    server.world._version = 500
    async with opened(server) as door:
        await door.until(lambda: server.since)
        server.world._version, server.watches = 300, [504]
        server.cut()
        with pytest.raises(HistoryRewrittenError, match="from 500 to 300"):
            await door.until(lambda: False)


async def test_a_watch_that_is_refused_ends_the_process_naming_the_right() -> None:
    async with opened(Miniature(watches=[403], allowed=False)) as door:
        with pytest.raises(RightMissingError, match=r"watch extensions\.dialplane\.io"):
            await door.until(lambda: False)


@pytest.mark.parametrize("absent", [{"extensions"}, set(PLURALS)])
async def test_a_kind_that_is_loaded_late_is_waited_for(absent: set[str]) -> None:
    server = Miniature(absent=set(absent))
    async with opened(server) as door:
        await asyncio.sleep(0.1)
        assert not door.inventory.passed
        server.absent.clear()
        await door.until(lambda: door.inventory.passed)


@pytest.mark.parametrize("absent", [{"extensions"}, set(PLURALS)])
async def test_a_kind_that_stays_away_ends_the_process(monkeypatch: pytest.MonkeyPatch, absent: set[str]) -> None:
    monkeypatch.setattr(kopf_session, "ABSENT_FOR", 0.05)
    async with opened(Miniature(absent=absent)) as door:
        with pytest.raises(KindNotServedError, match=r"extensions\.dialplane\.io .*not served.*install the CRDs"):
            await door.until(lambda: False)


async def test_a_kind_that_goes_while_it_is_watched_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_session, "ABSENT_FOR", 0.05)
    server = Miniature(watches=[[HANG]])
    async with opened(server) as door:
        await door.until(lambda: server.since)
        server.absent.add("extensions")
        server.cut()
        with pytest.raises(KindNotServedError, match=r"extensions\.dialplane\.io"):
            await door.until(lambda: False)


async def test_an_echo_reaches_no_handler_and_the_watch_goes_on_from_it() -> None:
    server = Miniature()
    server.world.put(EXTENSION, "ann")
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)
        patched = server.world.set_status(EXTENSION, "ann", {"value": 1})
        door.inventory.event(EXTENSION, "MODIFIED", json.loads(json.dumps(patched)))  # the answer to our patch
        await server.tell(EXTENSION, "MODIFIED", patched)
        await door.until(lambda: server.cut() or server.since[-1] == patched["metadata"]["resourceVersion"])
        foreign = server.world.set_status(EXTENSION, "ann", {"value": 2})
        await server.tell(EXTENSION, "MODIFIED", foreign)
        await door.until(lambda: door.inventory.held(ANN).version == foreign["metadata"]["resourceVersion"])
    assert door.versions == ["101", "103"]


async def test_an_echo_that_is_faster_than_the_answer_goes_through_the_handler() -> None:
    server = Miniature()
    server.world.put(EXTENSION, "ann")
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)
        await server.tell(EXTENSION, "MODIFIED", server.world.set_status(EXTENSION, "ann", {"value": 1}))
        await door.until(lambda: door.versions == ["101", "102"])


async def test_the_deletion_of_a_version_that_is_there_is_no_echo() -> None:
    server = Miniature()
    ann = server.world.put(EXTENSION, "ann")
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)
        server.world.delete(EXTENSION, "ann")
        server.history.append((103, EXTENSION, {"type": "DELETED", "object": ann}))
        await server.tell(SECRET, "ADDED", server.world.put(SECRET, "any"))
        await door.until(lambda: door.inventory.held(ANN) is None)
    assert CONFIG_MAP not in door.inventory.waiting_for


async def test_what_kopf_leaves_lying_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Miniature()
    async with opened(server) as door:
        await door.until(lambda: server.since)
        monkeypatch.setattr(kopf_session, "STALLED_AFTER", -1.0)
        assert door.session.stalled() == ""
        door.session._pass(EXTENSION, server.world.put(EXTENSION, "ann"))
        assert door.session.stalled() == "an event of Extension/ann has not been handled"
        door.session._ended(EXTENSION, kopf_session._Pace(), None)
        assert door.session.stalled() == "nobody watches Extension any more"
