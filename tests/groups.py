"""Which tests stay together in one worker, and which begin first.

Tests that share something expensive, such as an Asterisk of their module, run one after the other where it runs, instead of
each worker starting one. The longest groups begin first and short tests fill what is left, so that no worker waits.
"""

import pytest
from pytest import FixtureDef  # noqa: PT013 -- the type's only public place

SERVERS = {"server": "kube", "postgres": "postgres"}
"""One for the whole session of a worker: fixture to group."""
LONGEST = ("door-", "kube")


def put_together(items: list[pytest.Item]) -> None:
    """Mark the groups, and sort by what takes long."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (group := _group_of(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_begins)


def _group_of(item: pytest.Item) -> str | None:
    definitions: dict[str, list[FixtureDef[object]]] = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 -- pytest's
    for fixture, group in SERVERS.items():
        got = definitions.get(fixture, ())[-1:]  # those before it are overridden
        if any(each.scope in {"package", "session"} for each in got):
            return group
    ours = [each for name in item.fixturenames for each in definitions.get(name, ()) if each.baseid.startswith("tests")]
    return item.module.__name__ if any(each.scope == "module" for each in ours) else None


def _begins(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args[0].startswith(LONGEST):
        return 0
    if item.get_closest_marker("real") is None:
        return 3
    return 1 if group is not None else 2
