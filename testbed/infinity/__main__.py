"""``python -m testbed.infinity``: see :mod:`testbed.infinity`."""

import argparse
import asyncio
import json
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from testbed.bootstrap import Account
from testbed.control import emit, listen, serve
from testbed.infinity.account import read
from testbed.infinity.callbacks import Callbacks
from testbed.infinity.commands import PlatformCommands
from testbed.infinity.lines import Lines, Pretended
from testbed.infinity.platform import Platform
from testbed.infinity.ringing import Ringing
from testbed.infinity.script import Scripts
from testbed.infinity.wire import Wire


def _address(given: str) -> tuple[str, int]:
    host, _, port = given.rpartition(":")
    return host, int(port)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.infinity", description=__doc__)
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT", help="port 0: any")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="answer https, with this certificate and key")
    parser.add_argument("--asterisk", type=_address, metavar="HOST:PORT", help="really ring, by its manager interface")
    parser.add_argument(
        "--customer", default="PJSIP/{number}", metavar="CHANNEL", help="the customer's telephone there"
    )
    parser.add_argument("--rules", type=json.loads, default=[], metavar="JSON", help="a list of fields of `behave`")
    parser.add_argument("--control", type=int, metavar="PORT", help="take control commands on loopback, too")
    parser.add_argument("--serve", action="store_true", help="run until a signal, instead of until stdin ends")
    return parser.parse_args(given)


async def _run(given: argparse.Namespace) -> None:
    accounts, scripts, callbacks = read(os.environ.pop("INFINITY_ACCOUNTS", "[]")), Scripts(), Callbacks()
    for rule in given.rules:
        scripts.behave(**rule)
    lines: Lines = Pretended()
    if given.asterisk is not None:
        account = Account(os.environ["INFINITY_AMI_USERNAME"], os.environ.pop("INFINITY_AMI_PASSWORD"))
        lines = Ringing(given.asterisk, account, given.customer)
    platform = Platform(accounts, scripts, callbacks, lines)
    wire = Wire(platform, _tls(given.certificate) if given.certificate else None)
    host, port = given.listen[0], await wire.open(*given.listen)
    commands = PlatformCommands(platform, callbacks, wire, (host, port)).commands()
    control = await listen(commands, given.control) if given.control is not None else None
    emit({"event": "ready", "port": port})
    try:
        await (asyncio.Event().wait() if given.serve else serve(commands))
    finally:
        await wire.close()
        if control is not None:
            control.close()
        await platform.forget()
        await callbacks.close()


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
