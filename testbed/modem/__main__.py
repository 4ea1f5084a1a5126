"""``python -m testbed.modem``: see :mod:`testbed.modem`."""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from testbed.control import emit, listen, serve
from testbed.modem.actions import Actions, Mischief
from testbed.modem.commands import ModemCommands
from testbed.modem.dialplan import Dialplan
from testbed.modem.driver import Driver
from testbed.modem.line import Lines, LineSettings
from testbed.modem.names import DRIVERS
from testbed.modem.texts import Texts


def _address(given: str) -> tuple[str, int]:
    host, _, port = given.rpartition(":")
    return host, int(port)


def _rights(given: str) -> dict[str, frozenset[str]]:
    pairs = [part.partition("=") for part in given.split(";") if part]
    return {user: frozenset(classes.split(",")) for user, _, classes in pairs}


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.modem", description=__doc__)
    parser.add_argument(
        "--listen", type=_address, required=True, metavar="HOST:PORT", help="for controllers; port 0: any"
    )
    parser.add_argument("--asterisk", type=_address, required=True, metavar="HOST:PORT", help="its manager interface")
    parser.add_argument("--ari", required=True, metavar="URL", help="its ARI, without a slash at the end")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="dongle.conf or quectel.conf")
    parser.add_argument("--driver", choices=sorted(DRIVERS), default="chan_dongle")
    parser.add_argument(
        "--rights",
        type=_rights,
        default={},
        metavar="USER=CLASS,...;...",
        help="what accounts read, if not the class call; what they may write, Asterisk decides",
    )
    parser.add_argument("--control", type=int, metavar="PORT", help="take control commands on loopback, too")
    parser.add_argument("--serve", action="store_true", help="run until a signal, instead of until stdin ends")
    return parser.parse_args(given)


async def _run(given: argparse.Namespace) -> None:
    names, mischief = DRIVERS[given.driver], Mischief()
    settings = LineSettings(given.asterisk, given.rights, mischief)
    lines = Lines(settings, names.prefix)
    driver = Driver(names, given.config, lines.emit)
    user, password = os.environ["MODEM_ARI_USERNAME"], os.environ.pop("MODEM_ARI_PASSWORD")
    async with Dialplan.connect(given.ari, user, password, f"modem-{os.getpid()}") as dialplan:
        texts = Texts(driver, dialplan)
        actions = lines.actions = Actions(driver, texts, mischief)
        commands = ModemCommands(driver, texts, lines, actions, mischief).commands()
        driver.load()
        server = await asyncio.start_server(lines.connected, *given.listen, limit=1 << 16)
        control = await listen(commands, given.control) if given.control is not None else None
        background = [asyncio.create_task(work) for work in (driver.watch(), texts.network())]
        emit({"event": "ready", "port": server.sockets[0].getsockname()[1]})
        try:
            await (asyncio.Event().wait() if given.serve else serve(commands))
        finally:
            server.close()
            if control is not None:
                control.close()
            texts.close()
            for task in background:
                task.cancel()
            for line in list(lines.open):
                line.drop()


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
