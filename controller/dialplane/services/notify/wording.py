"""What a notification says: the words of an event, by default or by a Notifier's own template.

A template is a formula, not a program: no loops, no assignments, no calls. So its work is bounded by its length, and no
template can hold up the process, which no clock beside it could promise: one large power in C never lets go of the
interpreter. What an event brings, the body of a text message above all, is a value and is never read as a template.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Template, TemplateError, Undefined, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from dialplane.resources.kinds import event_types

LIMIT: Final = 16_384
"""Characters of a text; a title may have `TITLE_LIMIT`."""
TITLE_LIMIT: Final = 200
_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no service is made for: control characters, and halves of characters."""
CUT: Final = "… [cut]"
"""Stands where something was left out."""
_FILTERS_AT_MOST: Final = 32

NAMES: Final = frozenset(
    {
        *("event", "subject", "kind", "name", "at", "id", "count", "site"),
        *("sender", "to", "text", "dongle", "reason", "message", "truncated"),
    }
)
"""What a template may name. What an event does not bring is empty."""


class BadTemplateError(ValueError):
    """Whoever wrote the template must change it; the message says what, and holds no value.

    `field` is where it stands, such as `spec.template`; empty where only the values of an event made it fail.
    """

    def __init__(self, what: str, field: str = "") -> None:
        super().__init__(f"{field}: {what}" if field else what)
        self.what = what
        self.field = field


@dataclass(frozen=True, slots=True)
class Message:
    """A notification as it is handed to a service."""

    title: str
    body: str
    closing: str = ""
    """The last line, which survives where the body is cut."""

    def text(self, limit: int = LIMIT) -> str:
        """Body and closing, together no longer than so many characters."""
        closing = f"\n\n{self.closing}" if self.closing else ""
        return shortened(self.body, limit - len(closing)) + closing


class MessageTemplate:
    """Finds the words for events."""

    def __init__(self, title: str | None = None, body: str | None = None) -> None:
        """Use these templates, where given, instead of the default words.

        Raises:
            BadTemplateError: one cannot be used.
        """
        self._title = _compiled(title, "spec.title") if title is not None else None
        self._body = _compiled(body, "spec.template") if body is not None else None

    def words(self, values: Mapping[str, Any]) -> Message:
        """The words for one event; `values` are of `NAMES`, others are not looked at.

        Raises:
            BadTemplateError: the template fails with these very values.
        """
        known = {name: _bounded(value) for name, value in values.items() if name in NAMES and value is not None}
        title = _rendered(self._title, known) if self._title else _default_title(known)
        title = shortened(" ".join(title.split()), TITLE_LIMIT)
        if self._body:
            return Message(title, shortened(_rendered(self._body, known), LIMIT))
        return Message(title, _default_body(known), _closing(known))


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and the mark that it was cut."""
    return text if len(text) <= limit else text[: max(0, limit - len(CUT))] + CUT


def _default_title(values: Mapping[str, Any]) -> str:
    known = event_types().get(str(values.get("event")))
    title = (known.title if known else "{event}").format_map(_Blank(values))
    return f"{title} ({values['count']} times)" if values.get("count", 1) != 1 else title


def _default_body(values: Mapping[str, Any]) -> str:
    """What there is to say beside the title, or the title once more: many services show no empty text."""
    why = "message" if values.get("message") else "reason"
    lines = [str(values[name]) for name in ("text", why) if values.get(name)]
    if values.get("truncated"):
        lines.append("(Asterisk cut this message.)")
    return "\n\n".join(lines) or _default_title(values)


def _closing(values: Mapping[str, Any]) -> str:
    parts = [str(values[name]) for name in ("site", "subject", "at") if values.get(name)]
    return " · ".join([*parts, f"id {values.get('id', '')}"])


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _bounded(value: Any) -> Any:
    return value if isinstance(value, bool | int) else shortened(_UNSENDABLE.sub("\ufffd", str(value)), LIMIT)


def _replaced(text: Any, old: Any, new: Any) -> str:
    """`replace` whose result is bounded before it is made."""
    whole, old, new = str(text), str(old), str(new)
    if not old:
        return whole
    growth = max(0, len(new) - len(old))
    return whole.replace(old, new, (LIMIT // growth) if growth else -1)


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    def limited(*arguments: Any) -> Any:
        found = function(*arguments)
        return found if isinstance(found, bool | int) else shortened(str(found), LIMIT)

    return limited


def _default(value: Any, other: Any = "") -> Any:
    return value if value or value == 0 else other


def _truncated(value: Any, length: Any = 80) -> str:
    return shortened(str(value), max(len(CUT), int(length)))


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": _default,
    "first": lambda value: str(value)[:1],
    "length": lambda value: len(str(value)),
    "lower": lambda value: str(value).lower(),
    "replace": _replaced,
    "title": lambda value: str(value).title(),
    "tojson": lambda value: json.dumps(str(value), ensure_ascii=False),
    "trim": lambda value: str(value).strip(),
    "truncate": _truncated,
    "upper": lambda value: str(value).upper(),
    "urlencode": lambda value: quote(str(value), safe=""),
}
_FILTERS: Final = {name: _limited(function) for name, function in _FUNCTIONS.items()}

_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.If, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Test, nodes.Filter, nodes.Concat),
    *(nodes.Getitem, nodes.Slice, nodes.Neg, nodes.Tuple, nodes.List),
)
_NAMES_OF: Final[Mapping[type[nodes.Node], str]] = {
    nodes.For: "a loop",
    nodes.Call: "a call",
    nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment",
    nodes.Getattr: "an attribute (a dot)",
    nodes.Macro: "a macro",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "an extends",
}

# Plain text: Apprise escapes it where a service wants HTML.
_environment: Final = SandboxedEnvironment(autoescape=False, undefined=Undefined, keep_trailing_newline=False)
_environment.filters = dict(_FILTERS)
_environment.globals = {}


def _compiled(source: str, field: str) -> Template:
    try:
        tree = _environment.parse(source)
        _check(tree, field)
        return _environment.from_string(source)
    except TemplateError as error:
        raise BadTemplateError(_reason(error), field) from None
    except (RecursionError, SyntaxError, MemoryError):
        raise BadTemplateError("it is nested too deeply", field) from None


def _check(tree: nodes.Template, field: str) -> None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            what = _NAMES_OF.get(type(node), f"`{type(node).__name__}`")
            raise BadTemplateError(f"line {node.lineno}: {what} is not for templates of notifications", field)
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise BadTemplateError(f"there is no filter {node.name}; there are {', '.join(_FILTERS)}", field)
    if sum(1 for _ in tree.find_all(nodes.Filter)) > _FILTERS_AT_MOST:
        raise BadTemplateError(f"it has more than {_FILTERS_AT_MOST} filters", field)
    unknown = sorted(meta.find_undeclared_variables(tree) - NAMES)
    if unknown:
        raise BadTemplateError(f"there is no {unknown[0]}; there are {', '.join(sorted(NAMES))}", field)


def _rendered(template: Template, values: Mapping[str, Any]) -> str:
    try:
        return template.render(values)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise BadTemplateError(f"the template fails: {type(error).__name__}") from None


def _reason(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return f"line {line}: {error.message}" if line else str(error.message)
