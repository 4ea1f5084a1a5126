"""Frames as no honest device sends them, by chance but the same ones for the same seed. Pure."""

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode

_MASKED: Final = 0x80
_DEEP: Final = 30_000
_TYPES: Final[tuple[Any, ...]] = (
    *("heartbeat", "log", "snapshot", "hello", "command_ack", "command_result", "alarm", "alarm_end", "state", "pong"),
    *("command", "", "unheard-of", None, 7, [], {}),
)
_SCALARS: Final = (None, True, 0, -1, 1e308, 10**30, "", "\0", "\x1b[31m[bold]", "lift\n2026", "é" * 200, "ok")
_NAMES: Final = ("payload", "id", "device_id", "state", "result", "reason", "capabilities", "firmware", "level", "data")


def frames(seed: int) -> Iterator[bytes]:
    """Yield frames without end; after some of them the server has to close."""
    chance = random.Random(seed)  # noqa: S311 -- to be had again, not to be guessed
    while True:
        yield chance.choice(_KINDS)(chance)


def _masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame under a key of zeros: the library takes another one each time."""
    plain = Frame(opcode, data, fin=fin).serialize(mask=False)
    head = len(plain) - len(data)
    return bytes((plain[0], plain[1] | _MASKED)) + plain[2:head] + bytes(4) + data


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 300))


def _text(chance: random.Random) -> bytes:
    return _masked(Opcode.TEXT, chance.randbytes(chance.randrange(200)))


def _binary(chance: random.Random) -> bytes:
    return _masked(Opcode.BINARY, chance.randbytes(chance.randrange(2000)))


def _unmasked(chance: random.Random) -> bytes:
    return Frame(Opcode.TEXT, chance.randbytes(20)).serialize(mask=False)


def _control(chance: random.Random) -> bytes:
    return _masked(chance.choice((Opcode.PING, Opcode.PONG)), chance.randbytes(chance.randrange(126)))


def _closing(chance: random.Random) -> bytes:
    body = chance.choice((b"", b"\x03", struct.pack("!H", chance.choice((0, 999, CloseCode.NO_STATUS_RCVD, 4001)))))
    return _masked(Opcode.CLOSE, body)


def _fragment(chance: random.Random) -> bytes:
    opcode = chance.choice((*DATA_OPCODES, Opcode.CONT))
    return _masked(opcode, chance.randbytes(chance.randrange(50)), fin=chance.random() < 0.5)  # noqa: PLR2004 -- a coin


def _announced(chance: random.Random) -> bytes:
    """A length that never comes."""
    return b"\x81\xff" + struct.pack("!Q", chance.choice((70_000, 1 << 31, 1 << 62))) + chance.randbytes(20)


def _deep(_chance: random.Random) -> bytes:
    return _masked(Opcode.TEXT, b"[" * _DEEP)


def _no_object(chance: random.Random) -> bytes:
    return _json(chance.choice((*_SCALARS, [1, 2], [[]])))


def _odd(chance: random.Random) -> bytes:
    """An object with the fields of the protocol, and whatever in them."""
    fields = {name: _value(chance, 2) for name in chance.sample(_NAMES, chance.randrange(5))}
    return _json({"type": chance.choice(_TYPES), **fields})


def _json(value: Any) -> bytes:
    return _masked(Opcode.TEXT, json.dumps(value).encode())


def _value(chance: random.Random, depth: int) -> Any:
    if depth and chance.random() < 0.3:  # noqa: PLR2004 -- now and then
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if depth and chance.random() < 0.3:  # noqa: PLR2004 -- likewise
        return {chance.choice(_NAMES): _value(chance, depth - 1) for _ in range(chance.randrange(4))}
    return chance.choice(_SCALARS)


_KINDS: Final[tuple[Callable[[random.Random], bytes], ...]] = (
    *(_noise, _text, _binary, _unmasked, _control, _closing, _fragment, _announced, _deep, _no_object),
    *(_odd,) * 10,
)
