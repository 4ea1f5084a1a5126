"""For every order of changes, echoes, deletions, cuts and forgotten histories, what kopf's handlers feed ends in the truth.

`test_inventory_any_order` asks the same of the inventory alone, with news in orders that kopf cannot bring.
"""

import asyncio
import copy
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from dialplane.kube.inventory import Inventory
from tests.kube.miniature import Door, Miniature, opened
from tests.kube.world import EXTENSION, TRUNK

KIND = st.sampled_from([EXTENSION, TRUNK])
NAME = st.sampled_from(["a", "b", "c"])
Step = tuple[Any, ...]
STEPS = st.one_of(
    st.tuples(st.just("put"), KIND, NAME, st.integers(0, 3)),
    st.tuples(st.just("delete"), KIND, NAME),
    st.tuples(st.sampled_from(["foreign status", "answer first", "answer late"]), KIND, NAME, st.integers(0, 3)),
    st.tuples(st.sampled_from(["cut", "forget", "expire", "refuse", "pause"])),
)


class Story:
    """What happens at the server, and the answers to our own patches that are under way."""

    def __init__(self, door: Door) -> None:
        self.door, self.server = door, door.server
        self.answers: list[tuple[str, dict[str, Any]]] = []

    async def tell(self, step: Step) -> None:
        what, world = step[0], self.server.world
        if what == "put":
            _, kind, name, value = step
            type_ = "MODIFIED" if (kind, name) in world.objects else "ADDED"
            await self.server.tell(kind, type_, world.put(kind, name, value))
        elif len(step) > 1 and (step[1], step[2]) not in world.objects:
            return
        elif what == "delete":
            await self.server.tell(step[1], "DELETED", world.delete(step[1], step[2]))
        elif what.endswith("status") or what.startswith("answer"):
            await self.set_status(*step)
        elif what == "cut":
            self.server.cut()
        elif what == "forget":
            await self.server.forget()
        elif what == "expire":
            self.server.refusals.append(410)
        elif what == "refuse":
            self.server.watches.append(503)
            self.server.cut()
        else:
            await asyncio.sleep(0.003)

    async def set_status(self, what: str, kind: str, name: str, value: int) -> None:
        changed = self.server.world.set_status(kind, name, {"value": value})
        if what == "answer first":
            self.door.inventory.event(kind, "MODIFIED", copy.deepcopy(changed))
        elif what == "answer late":
            self.answers.append((kind, copy.deepcopy(changed)))
        await self.server.tell(kind, "MODIFIED", changed)

    def answer(self) -> None:
        while self.answers:
            kind, obj = self.answers.pop(0)
            self.door.inventory.event(kind, "MODIFIED", obj)


def seen(inventory: Inventory) -> dict[tuple[str, str], tuple[str, str, Any]]:
    held = {key: inventory.held(key) for key in inventory.snapshot().resources}
    return {(key.kind, key.name): (each.uid, each.version, each.status) for key, each in held.items() if each}


def truth(server: Miniature) -> dict[tuple[str, str], tuple[str, str, Any]]:
    return {
        at: (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"], obj.get("status", {}))
        for at, obj in server.world.objects.items()
    }


async def play(before: list[Step], after: list[Step]) -> None:
    server = Miniature(page=2)
    async with opened(server) as door:
        story = Story(door)
        for step in before:  # while kopf starts
            await story.tell(step)
        await door.until(lambda: door.inventory.passed)
        for step in after:
            await story.tell(step)
        story.answer()
        await door.until(lambda: seen(door.inventory) == truth(server))
        await door.until(lambda: not any(door.session._passed.values()))
        assert seen(door.inventory) == truth(server)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=6), st.lists(STEPS, max_size=25))
def test_the_inventory_ends_as_a_fresh_list(before: list[Step], after: list[Step]) -> None:
    asyncio.run(play(before, after))
