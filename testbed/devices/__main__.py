"""``python -m testbed.devices``: see :mod:`testbed.devices`."""

import argparse
import asyncio
import logging
import resource
from collections.abc import Sequence

from testbed.control import emit, listen, serve
from testbed.devices.commands import FleetCommands
from testbed.devices.fleet import Fleet


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.devices", description=__doc__)
    parser.add_argument("--control", type=int, metavar="PORT", help="take control commands on loopback, too")
    parser.add_argument("--serve", action="store_true", help="run until a signal, instead of until stdin ends")
    parser.add_argument("--seed", type=int, default=1, help="of all that happens by chance")
    return parser.parse_args(given)


async def _run(given: argparse.Namespace) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fleet = Fleet(given.seed)
    commands = FleetCommands(fleet).commands()
    control = await listen(commands, given.control) if given.control is not None else None
    emit({"event": "ready", "port": given.control or 0})
    try:
        await (asyncio.Event().wait() if given.serve else serve(commands))
    finally:
        if control is not None:
            control.close()
        await fleet.stop()


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.ERROR)
    asyncio.run(_run(_arguments()))
