"""Options in the form Asterisk's PJSIP sections take."""

from collections.abc import Iterable, Iterator

from dialplane.plan.escape import Unrenderable
from dialplane.plan.objects import Value
from dialplane.resources.fields import MediaEncryption

REVISION = "DIALPLANE_REVISION"
"""The variable that marks which version an endpoint carries; the read-back compares it."""

_TAKEN_APART = ',"\\'

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


def quoted(text: str) -> str:
    r"""`text` within quotes, as the caller id has it: Asterisk takes one backslash off whatever follows one."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def assigned(variables: Iterable[tuple[str, str]]) -> Options:
    """One `set_var` that sets every variable of the channels of an endpoint.

    One, because an object in Asterisk's database holds each option once. Asterisk takes the name of a variable for a
    function call where it ends in a bracket, and ARRAY takes the values apart at commas.

    Raises:
        Unrenderable: a value that ARRAY would take apart or unquote.
    """
    names, values = zip(*variables, strict=True)
    if any(set(value) & set(_TAKEN_APART) for value in values):
        raise Unrenderable(f"of a channel variable holds one of {' '.join(_TAKEN_APART)}")
    name = names[0] if len(names) == 1 else f"ARRAY({','.join(names)})"
    return (("set_var", f"{name}={','.join(values)}"),)


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
