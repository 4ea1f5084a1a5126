"""Which tests need real parts: programs that the test bed finds, fetches or builds."""

import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest

PARTS = (
    "bench.device",
    "bench.lease_soak",
    "bench.message_",
    "bench.soak",
    "testbed.asterisk",
    "testbed.baresip",
    "testbed.debian",
    "testbed.device_site",
    "testbed.helm",
    "testbed.kube",
    "testbed.object_store",
    "testbed.postgres",
    "testbed.prometheus",
    "testbed.sip",
    "testbed.up",
    "testbed.voices",
)
"""The modules that start parts. What plays a peer in Python (an agent, a modem, a platform) is none."""
FIXTURES = {"api_server", "asterisk", "crd_server", "installation", "output", "postgres", "postgres_url", "server"}

COMMANDS = ("tests.bench.test_bench", "tests.system.")
"""The tests that start parts by commands, such as `python -m testbed up` and `python -m bench run`."""


def needs_parts(item: pytest.Item) -> bool:
    """Return whether a test starts a part: by a fixture, by a command, or by what its module takes from the test bed."""
    module = getattr(item, "module", None)
    if module is not None and module.__name__.startswith(COMMANDS):
        return True
    return bool(FIXTURES & set(getattr(item, "fixturenames", ()))) or (module is not None and _starts_parts(module))


@cache
def _starts_parts(module: ModuleType) -> bool:
    return any(name.startswith(PARTS) for name in _sources(module, set()))


def _sources(module: ModuleType, seen: set[str]) -> Iterator[str]:
    """Yield the modules that it takes names from, through the other modules of the tests."""
    for value in tuple(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if not isinstance(name, str) or name in seen or not name.startswith(("bench.", "tests.", "testbed.")):
            continue
        seen.add(name)
        yield name
        if name.startswith("tests.") and not name.endswith("conftest"):
            yield from _sources(sys.modules[name], seen)
