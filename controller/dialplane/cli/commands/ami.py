"""`dialplane ami`: any AMI action, for an operator at three in the morning."""

import asyncio
from typing import Annotated, Any, Final

import typer

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, AsteriskError
from dialplane.asterisk.message import HIDDEN, Message
from dialplane.cli.connection import Given, Host, PasswordFile, Port, Timeout, Tls, Username, ami_address
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.output import Format, emit, say

SHOWN: Final = "(hidden)"
LISTS: Final = ("show", "list", "status", "dbgettree")


def ami(
    action: Annotated[str, typer.Argument(help="The action, such as CoreStatus.")],
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="Its fields; one key may repeat.")
    ] = None,
    host: Host = None,
    port: Port = None,
    username: Username = None,
    password_file: PasswordFile = None,
    tls: Tls = None,
    timeout: Timeout = 10.0,
    items: Annotated[
        bool | None,
        typer.Option(
            "--list/--no-list", help="The action answers with a list. [default: by its name]", show_default=False
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="text, json or yaml.")] = Format.TEXT,
) -> None:
    """Run any AMI action and show its answer; passwords in it are hidden.

    Sent once, never again: after a time-out the action may still have taken effect.
    Exit code 0: Asterisk said Success. 1: it refused. 2: no connection, no rights to log in, or no answer in time.

    Examples:
        dialplane ami CoreStatus
        dialplane ami PJSIPShowEndpoint endpoint=101
        dialplane ami PJSIPShowRegistrationsOutbound -o json
        dialplane ami DongleSendUSSD device=dongle0 ussd='*100#'
    """
    address = ami_address(Given(host, port, username, password_file, tls))
    sent: dict[str, Any] = dict(_fields(fields or []))
    listed = (
        any(word in action.lower() for word in LISTS) and action.lower() != "corestatus" if items is None else items
    )

    async def run() -> list[Message]:
        async with asyncio.timeout(timeout + 1), Ami.connect(address, timeout=timeout) as connection:
            if not listed:
                return [await connection.action(action, timeout=timeout, **sent)]
            return list(await connection.list(action, timeout=timeout, **sent))

    try:
        messages = asyncio.run(run())
    except ActionRefused as error:
        raise Refused(str(error)) from None
    except (AsteriskError, TimeoutError) as error:
        raise Unusable(f"{address.host}:{address.port}: {error or 'no answer in time'}") from None
    if output is not Format.TEXT:
        shown = [_shown(message) for message in messages]
        emit(shown if listed else shown[0], output)
        return
    for number, message in enumerate(messages):
        if number:
            say()
        for name, value in _shown(message).items():
            for line in value if isinstance(value, list) else [value]:
                say(f"{name}: {line}")


def _fields(words: list[str]) -> dict[str, str | list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise Unusable(f"{word!r} is not KEY=VALUE")
        found.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in message:
        values = [SHOWN if name.lower() in HIDDEN and value else value for value in message.values_of(name)]
        shown[name] = values if name.lower() == "output" or len(values) > 1 else values[0]
    return shown
