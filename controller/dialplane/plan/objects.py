"""What a plan makes Asterisk hold: the objects behind the rendered lines, each with the resource that wants it.

The templates render these; the read-back asks Asterisk for these. Neither knows more than is written here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from pydantic import SecretStr

from dialplane.resources.key import Key


class PjsipType(StrEnum):
    """The sorcery types that are rendered, one file each. Never `contact` (facts: REGISTER would bind nothing)."""

    GLOBAL = "global"
    SYSTEM = "system"
    TRANSPORT = "transport"
    ENDPOINT = "endpoint"
    AUTH = "auth"
    AOR = "aor"
    IDENTIFY = "identify"
    REGISTRATION = "registration"

    @property
    def file(self) -> str:
        """The file below the config directory that `sorcery.conf` maps this type to."""
        return f"pjsip_{self}.conf"


class Driver(StrEnum):
    """The modules for GSM modems; each has a file, which is there only as long as a Dongle of it is."""

    DONGLE = "dongle"
    QUECTEL = "quectel"

    @property
    def file(self) -> str:
        """The file below the config directory."""
        return f"{self}.conf"

    @property
    def module(self) -> str:
        """The module of Asterisk."""
        return f"chan_{self}.so"

    @property
    def prefix(self) -> str:
        """How the names of its AMI actions and events begin."""
        return self.capitalize()


KEYS = "keys"
"""The folder of certificates and keys below the config directory: what is in it varies, as the modems' files do."""

COMING_AND_GOING = frozenset({KEYS, *(driver.file for driver in Driver)})
"""What is in the config directory only as long as the site has something in it."""

Value = str | SecretStr
"""An option's text; a secret stays wrapped until the moment it is rendered or compared."""


@dataclass(frozen=True, slots=True)
class PjsipObject:
    """One section of a PJSIP file: `[id]`, `type=…` and the options in order; an option may repeat."""

    type: PjsipType
    id: str
    options: tuple[tuple[str, Value], ...]
    owner: Key
    name: str = field(init=False, compare=False, repr=False)
    """What it is called among all that Asterisk can be asked for: `auth/101`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.type}/{self.id}")


@dataclass(frozen=True, slots=True)
class DialplanEntry:
    """One priority of one extension in a context; `arguments` as Asterisk gets them between the parentheses."""

    extension: str
    priority: int | str
    """1, 2, …; or `hint` for a hint."""
    application: str
    arguments: str
    owner: Key
    label: str = ""


@dataclass(frozen=True, slots=True)
class DialplanContext:
    """One context of extensions.conf: its includes first, then its entries, in the order given."""

    name: str
    includes: tuple[str, ...]
    entries: tuple[DialplanEntry, ...]
    owner: Key


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One line of voicemail.conf's `[default]` context."""

    number: str
    pin: SecretStr
    full_name: str
    email: str
    options: tuple[tuple[str, str], ...]
    owner: Key


@dataclass(frozen=True, slots=True)
class Dongle:
    """One section of a modem driver's file: `[id]` and the options in order."""

    driver: Driver
    id: str
    options: tuple[tuple[str, str], ...]
    owner: Key

    @property
    def name(self) -> str:
        """What it is called among all that Asterisk can be asked for: `dongle/gsm-1`, `quectel/gsm-2`."""
        return f"{self.driver}/{self.id}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A `key = value` of an ordinary file (rtp.conf, cdr.conf, http.conf), in its section."""

    file: str
    section: str
    name: str
    value: str
    owner: Key


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate written beside the files, as `keys/NAME.crt`, and its key as `keys/NAME.key` where it has one."""

    name: str
    certificate: SecretStr
    key: SecretStr | None
    owner: Key


Readable = PjsipObject | DialplanContext | Mailbox | Dongle
"""What Asterisk can be asked for."""


@dataclass(frozen=True)
class Objects:
    """Everything a plan wants Asterisk to hold, sorted as it is rendered."""

    pjsip: tuple[PjsipObject, ...] = ()
    contexts: tuple[DialplanContext, ...] = ()
    globals: Mapping[str, str] = field(default_factory=dict)
    mailboxes: tuple[Mailbox, ...] = ()
    dongles: tuple[Dongle, ...] = ()
    settings: tuple[Setting, ...] = ()
    certificates: tuple[Certificate, ...] = ()

    def readable(self) -> Mapping[str, Readable]:
        """What Asterisk can be asked for, by a name such as `auth/101`, `context/dp-internal`, `mailbox/101`.

        Made once. From plan to plan of one `Planner` an object that did not change is the very same object, so that
        `is` finds what did.
        """
        return self._readable

    @cached_property
    def _readable(self) -> Mapping[str, Readable]:
        found: dict[str, Readable] = {o.name: o for o in self.pjsip}
        found.update((f"context/{c.name}", c) for c in self.contexts)
        found.update((f"mailbox/{m.number}", m) for m in self.mailboxes)
        found.update((d.name, d) for d in self.dongles)
        return MappingProxyType(found)


def gathered(items: Iterable[Readable]) -> Objects:
    """The objects as one: the way back from `Objects.readable`."""
    every = tuple(items)
    return Objects(
        pjsip=tuple(o for o in every if isinstance(o, PjsipObject)),
        contexts=tuple(c for c in every if isinstance(c, DialplanContext)),
        mailboxes=tuple(m for m in every if isinstance(m, Mailbox)),
        dongles=tuple(d for d in every if isinstance(d, Dongle)),
    )


def owners(item: Readable) -> frozenset[Key]:
    """Every resource that wants something in this object: a context has many."""
    if isinstance(item, DialplanContext):
        return frozenset((item.owner, *(entry.owner for entry in item.entries)))
    return frozenset((item.owner,))
