r"""The one way a value gets into an Asterisk file.

Asterisk's configuration reader (`main/config.c`) works on lines: `#` and `[` matter only where a line begins, `;`
starts a comment anywhere unless a backslash stands before it, and blanks around a value are dropped. So a value that
holds no control character, neither begins nor ends with a blank, and has every `;` written `\;` is read back as it
was given, and can add no line, section, template, include or comment. What cannot be said so is refused, never mended.
"""

import re
from typing import Any

from jinja2 import Undefined
from pydantic import SecretStr

LINE_LIMIT = 8_000
"""Bytes in one line; Asterisk skips lines of 8 KB and more."""
VALUE_LIMIT = LINE_LIMIT - 100
"""Bytes in one value: the option's name and ` = ` stand before it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SECTION = re.compile(r"[A-Za-z0-9_.@+-]{1,79}")
_ARGUMENT = re.compile(r"[A-Za-z0-9_.@+*#/:-]*")


class Unrenderable(ValueError):
    """A value that an Asterisk file cannot express; the message says why and never contains the value."""


def escape(value: object) -> str:
    """The text of one value as it stands in an Asterisk file.

    Raises:
        Unrenderable: the value has a control character, is not valid text, begins or ends with a blank, or is so long
            that Asterisk would skip its line.
    """
    text = plain(value)
    if _CONTROL.search(text):
        raise Unrenderable("has a line break or another control character")
    if _SURROGATE.search(text):
        raise Unrenderable("is not valid UTF-8 text")
    if text != text.strip(" "):
        raise Unrenderable("begins or ends with a blank, which Asterisk would drop")
    escaped = text.replace(";", r"\;")
    if len(escaped) > VALUE_LIMIT // 8 and len(escaped.encode()) > VALUE_LIMIT:
        raise Unrenderable(f"is longer than the {VALUE_LIMIT:,} bytes a value may have")
    return escaped


def section(name: str) -> str:
    """`name` if it may stand between the brackets of a section; raises Unrenderable otherwise."""
    if not _SECTION.fullmatch(name):
        raise Unrenderable("cannot name a section: letters, digits and _ . @ + - only, at most 79")
    return name


def argument(value: str) -> str:
    """`value` if it may stand as an argument of a dialplan application; raises Unrenderable otherwise.

    Stricter than `escape`: within an argument `,` `(` `$` `"` and blanks have meaning to Asterisk as well.
    """
    if not _ARGUMENT.fullmatch(value):
        raise Unrenderable("cannot stand in the dialplan: letters, digits and _ . @ + * # / : - only")
    return value


def plain(value: object) -> str:
    """The bare text of a value: a secret is revealed here, at the last moment, and nowhere before."""
    if isinstance(value, str):
        return value
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def finalize(value: Any) -> Any:
    """What Jinja2 calls for every `{{ … }}` of every template."""
    return value if isinstance(value, Undefined) else escape(value)
