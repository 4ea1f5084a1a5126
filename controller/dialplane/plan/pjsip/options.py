"""Options in the form Asterisk's PJSIP sections take."""

from collections.abc import Iterable, Iterator

from dialplane.plan.objects import Value
from dialplane.resources.fields import MediaEncryption

REVISION = "DIALPLANE_REVISION"
"""The variable that marks which version an endpoint carries; the read-back compares it."""

Options = tuple[tuple[str, Value], ...]


def options(*pairs: tuple[str, Value | int | bool | None]) -> Options:
    """The pairs that have a value; booleans in Asterisk's words."""
    return tuple(_each(pairs))


def repeated(name: str, values: Iterable[str]) -> Options:
    """The same option once per value."""
    return tuple((name, value) for value in values)


def codecs(names: Iterable[str]) -> Options:
    """`disallow = all`, then the codecs in order of preference."""
    allowed = ",".join(names)
    return (("disallow", "all"), ("allow", allowed)) if allowed else ()


def encryption(kind: MediaEncryption) -> str:
    """`media_encryption` in Asterisk's words."""
    return "no" if kind == "none" else kind


def _each(pairs: Iterable[tuple[str, Value | int | bool | None]]) -> Iterator[tuple[str, Value]]:
    for name, value in pairs:
        match value:
            case None:
                continue
            case bool():
                yield name, "yes" if value else "no"
            case int():
                yield name, str(value)
            case _:
                yield name, value
