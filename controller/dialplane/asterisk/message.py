"""What Asterisk says over AMI: responses and events, as immutable data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HIDDEN = frozenset(
    {
        *("password", "secret", "md5cred", "passworddigest", "oauthsecret", "refreshtoken"),
        # Of security events: whoever has both sides of a challenge can try passwords in peace.
        *("challenge", "expectedresponse", "receivedchallenge", "receivedhash", "expectedhash"),
    }
)
"""Fields whose value no repr shows (lower case)."""


class Message(Mapping[str, str]):
    """The fields of one response or event, by name; `values` gives all of a field that repeats.

    Lookup ignores case, as AMI does. A value that is not UTF-8 carries its bytes by `surrogateescape`.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str | tuple[str, ...]]) -> None:
        """Take fields whose names are in lower case already."""
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        value = self._fields[name.lower()]
        return value if isinstance(value, str) else value[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    @property
    def action_id(self) -> str | None:
        """The ActionID that it answers; None where it belongs to no action."""
        return self.get("actionid")

    @property
    def id(self) -> str | None:
        """The same, by the name that panoramisk asks for."""
        return self.get("actionid")

    def values_of(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in order; empty where it does not occur."""
        value = self._fields.get(name.lower(), ())
        return (value,) if isinstance(value, str) else value

    def __repr__(self) -> str:
        hidden = HIDDEN | ({"response"} if "event" in self._fields else frozenset())
        shown = ", ".join(f"{n}={'***' if n in hidden else repr(v)}" for n, v in self._fields.items())
        return f"{type(self).__name__}({shown})"


class Response(Message):
    """The answer to one action."""

    __slots__ = ()

    @property
    def succeeded(self) -> bool:
        """Whether Asterisk accepted the action; it says `Goodbye` to a Logoff."""
        return self.get("response") in {"Success", "Follows", "Goodbye"}

    @property
    def message(self) -> str:
        """Asterisk's own words, empty where it said none."""
        return self.get("message", "").strip()

    @property
    def output(self) -> tuple[str, ...]:
        """The lines that a `Command` printed."""
        return self.values_of("output")


class Event(Message):
    """Something that happened, or one item of a list."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The event's name, such as `ContactStatus`."""
        return self["event"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Stands in a stream of events where `lost` of them were dropped: the consumer must ask for the whole state."""

    lost: int
