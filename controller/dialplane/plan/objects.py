"""What a plan makes Asterisk hold: the objects behind the rendered lines, each with the resource that wants it.

The templates render these; the read-back asks Asterisk for these. Neither knows more than is written here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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


Value = str | SecretStr
"""An option's text; a secret stays wrapped until the moment it is rendered or compared."""


@dataclass(frozen=True, slots=True)
class PjsipObject:
    """One section of a PJSIP file: `[id]`, `type=…` and the options in order; an option may repeat."""

    type: PjsipType
    id: str
    options: tuple[tuple[str, Value], ...]
    owner: Key


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
class Setting:
    """A `key = value` of an ordinary file (rtp.conf, cdr.conf, http.conf), in its section."""

    file: str
    section: str
    name: str
    value: str
    owner: Key


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key pair written beside the files, as `keys/NAME.crt` and `keys/NAME.key`."""

    name: str
    certificate: SecretStr
    key: SecretStr
    owner: Key


@dataclass(frozen=True, slots=True)
class Objects:
    """Everything a plan wants Asterisk to hold, sorted as it is rendered."""

    pjsip: tuple[PjsipObject, ...] = ()
    contexts: tuple[DialplanContext, ...] = ()
    globals: Mapping[str, str] = field(default_factory=dict)
    mailboxes: tuple[Mailbox, ...] = ()
    settings: tuple[Setting, ...] = ()
    certificates: tuple[Certificate, ...] = ()
