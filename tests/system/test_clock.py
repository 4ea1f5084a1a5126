"""Somebody sets the clock of the machine, by an hour, under a running site and between two runs.

libfaketime stands between both processes and their clocks; the monotonic ones are left alone, as the kernel does.
"""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

from testbed import debian
from testbed.asterisk import AsteriskInstance, Installation, locate
from testbed.ports import LOOPBACK
from tests.system.doors import Standalone, condition
from tests.system.world import World, phones

HOUR = 3600


class Clock:
    """The wall clock of whoever is given its environment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ahead = 0
        self.set(0)

    def set(self, by: int) -> None:
        """Set it forwards or backwards by so many seconds."""
        self._ahead += by
        new = self._path.with_suffix(".new")
        new.write_text(f"{self._ahead:+d}\n")
        new.replace(self._path)

    def environment(self, suite: str) -> dict[str, str]:
        """For programs that run with the C library of that suite, or a newer one."""
        root = debian.tree("faketime", suite, ("libfaketime",), dependencies=False)
        return {
            "LD_PRELOAD": str(next(root.glob("usr/lib/*/faketime/libfaketimeMT.so.1"))),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }

    def installation(self) -> Installation:
        found = locate()
        suite = found.origin.removeprefix("Debian ") if found.origin.startswith("Debian ") else "bookworm"
        return replace(found, env={**found.env, **self.environment(suite)})


class Door(Standalone):
    """`dialplane run`, by that clock."""

    clock: Clock

    def command(self) -> tuple[list[str], dict[str, str]]:
        arguments, env = super().command()
        return arguments, env | self.clock.environment("bookworm")


async def listens(port: int) -> bool:
    """Whether Asterisk has that TCP port open."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_setting_the_clock_delays_nothing_and_loses_no_restart_that_is_due(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    async with AsteriskInstance(tmp_path / "asterisk", installation=clock.installation()) as asterisk:
        door = Door(tmp_path / "door", asterisk)
        door.clock = clock
        world = World(tmp_path, asterisk, door, await asterisk.ami())
        try:
            await door.start()
            extensions, secrets = phones(("101", "102"))
            both = [
                {"name": kind, "protocol": kind, "bind": f"{LOOPBACK}:{asterisk.sip_port}"} for kind in ("udp", "tcp")
            ]
            await door.apply([world.pbx(transports=both), *extensions], secrets)
            await door.wait_ready()
            assert await listens(asterisk.sip_port)
            before = await door.status("Asterisk", "pbx")

            for name, jump in (("Forwards", HOUR), ("Backwards", -2 * HOUR)):
                clock.set(jump)
                (changed, _), _ = phones(("101", "102"), displayName=name)
                await door.apply([changed, world.pbx(transports=both[:1])])
                await door.until(
                    "Asterisk", "pbx", lambda seen: condition(seen, "Ready")["reason"] == "RestartRequired"
                )
                await door.wait_ready(("Extension", "e101"), limit_seconds=10)
                assert f'"{name}"' in await asterisk.console("pjsip show endpoint 101")

            for jump in (2 * HOUR, -2 * HOUR):
                await door.stop()
                clock.set(jump)
                await door.start()
                await door.said("pass done")
                await asyncio.sleep(2)
                told = (await door.seen())["Asterisk", "pbx"]
                assert condition(told, "Ready")["reason"] == "RestartRequired", "forgotten, though the socket is open"
                assert await listens(asterisk.sip_port)
                assert told["status"]["startedAt"] == before["startedAt"]
                assert not re.search("asterisk is away", door.log)

            await asterisk.restart()
            await door.wait_ready(limit_seconds=20)
            assert not await listens(asterisk.sip_port)
        finally:
            await world.close()
