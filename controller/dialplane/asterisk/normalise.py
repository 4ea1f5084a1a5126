"""When what was rendered and what Asterisk shows mean the same. Pure; every rule was measured on Asterisk 22.10.

Asterisk parses each option into a structure and prints that back, so that the text seldom survives: `yes` comes back as
`true`, `10.0.0.1` as `10.0.0.1/255.255.255.255`, `1-3` as `1, 2, 3`. A rule turns both sides into one form. Where no
rule is named, texts must be equal, and any two words for the same truth are.

An odd value must not slip through as equal: Asterisk reads `direct_media=banana` as false and `rtp_timeout=030` as
octal 24, both without a word; neither equals what it shows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network

from dialplane.plan.objects import PjsipType

Options = Sequence[tuple[str, str]]
Form = object

_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_FALSE = frozenset({"no", "false", "n", "f", "0", "off"})


@dataclass(frozen=True, slots=True)
class Rule:
    """How to compare one field: both results equal means the same. `rendered` gets the options in order, in clear."""

    rendered: Callable[[Options], Form]
    shown: Callable[[str], Form]


def _last(options: Options) -> str:
    # An option that repeats where it may not: Asterisk keeps the last.
    return options[-1][1].strip()


def _each(parse: Callable[[str], Form]) -> Rule:
    return Rule(lambda options: parse(_last(options)), lambda shown: parse(shown.strip()))


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _all_items(options: Options) -> tuple[str, ...]:
    return tuple(item for _, value in options for item in _items(value))


def _codecs(options: Options) -> tuple[str, ...]:
    chosen: list[str] = []
    for name, value in options:
        for item in _items(value.lower()):
            codec = item.removeprefix("!").partition(":")[0]
            remove = (name == "disallow") != item.startswith("!")
            if remove:
                chosen = [] if codec == "all" else [c for c in chosen if c != codec]
            elif codec not in chosen:
                chosen.append(codec)
    return tuple(chosen)


def _shown_codecs(shown: str) -> tuple[str, ...]:
    inner = shown.strip().removeprefix("(").removesuffix(")")
    return () if inner == "nothing" else tuple(inner.split("|"))


def _variables(options: Options) -> str:
    # Asterisk replaces a variable set twice at its first place, and prints all without escaping.
    values: dict[str, str] = {}
    for _, value in options:
        name, _, text = value.partition("=")
        values[name.strip()] = text.strip()
    return ",".join(f"{name}={text}" for name, text in values.items()).strip()


def network(text: str) -> str:
    """An address with an optional mask (either form, host bits allowed) as Asterisk applies it; a name stays itself."""
    address, _, mask = text.strip().partition("/")
    try:
        bare = ip_address(address.removeprefix("[").removesuffix("]"))
        mapped = getattr(bare, "ipv4_mapped", None)
        if mapped is not None:
            return str(mapped)
        if ":" in mask:  # Asterisk prints an IPv6 mask as an address, whose leading zeros end nowhere
            mask = str(int(ip_address(mask)).bit_count())
        return (
            str(ip_network(f"{bare}/{mask}" if mask else str(bare), strict=False))
            .removesuffix("/32")
            .removesuffix("/128")
        )
    except ValueError:
        return text.strip().lower().removesuffix("/255.255.255.255")  # with a port, or a host name


def _networks(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(network(t) for t in texts)


def _matches(options: Options) -> Form:
    addresses = _networks(_all_items(options))
    # A host name comes back as the addresses it had at the reload: those cannot be told from others.
    return _SOME if any(_is_name(a) for a in addresses) else addresses


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f:.]+(/[0-9]+)?(:[0-9]+(/[0-9.]+)?)?", text) is None


class _Some:
    """Equal to any form but an empty one."""

    def __eq__(self, other: object) -> bool:
        return bool(other)

    __hash__ = None  # type: ignore[assignment]


_SOME = _Some()


def _groups(text: str) -> frozenset[int] | str:
    numbers: set[int] = set()
    for item in _items(text):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", item)
        if match is None:
            return text
        numbers |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(numbers)


_TOS = {f"cs{n}": n << 5 for n in range(8)} | {
    f"af{c}{d}": (8 * c + 2 * d) << 2 for c in range(1, 5) for d in (1, 2, 3)
}
_TOS |= {"ef": 184, "none": 0}


def _tos(text: str) -> int | str:
    text = text.lower()
    if text in _TOS:
        return _TOS[text]
    return int(text, 0) if re.fullmatch(r"0x[0-9a-f]+|[0-9]+", text) else text


def _caller_id(text: str) -> tuple[str, str]:
    """Name and number. Asterisk takes spaces and brackets out of a number."""
    match = re.fullmatch(r"(.*)<([^<]*)>", text.strip())
    if match is None:
        bare = text.strip()
        return ("", _number(bare)) if _looks_like_a_number(bare) else (_unquoted(bare), "")
    return _unquoted(match[1]), _number(match[2])


_ESCAPED_BYTES = 127
_SPARE_BYTES = 10


def _printed_caller_id(text: str) -> str:
    """What Asterisk prints of a caller id: it quotes the name, and leaves little room for the backslashes in it."""
    name, number = _caller_id(text)
    if not name or not number:
        return name or number
    written = name.encode("utf-8", "surrogateescape")
    escaped = re.sub(rb'(["\\])', rb"\\\1", written)
    # It stops before a backslash with whose companion there would be no more room.
    kept = re.match(rb'(?:[^"\\]|\\.)*', escaped[:_ESCAPED_BYTES], re.DOTALL)
    printed = b'"%b" <%b>' % (kept[0] if kept else b"", number.encode())
    return printed[: len(written) + len(number) + _SPARE_BYTES].decode("utf-8", "surrogateescape").strip()


def _unquoted(name: str) -> str:
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1]
    return re.sub(r"\\(.)", r"\1", name)


def _looks_like_a_number(text: str) -> bool:
    return re.fullmatch(r"[0-9*#+().\s-]+", text) is not None


def _number(text: str) -> str:
    return re.sub(r"[\s().-]", "", text) if _looks_like_a_number(text) else text.strip()


def _decimal(text: str) -> float | str:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text


def _bind(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (host.count(":") and not host.endswith("]")):
        host, port = text, "5060"
    return f"{host}:{port}"


def _contacts(options: Options) -> frozenset[str]:
    return frozenset(_all_items(options))


def _shown_contacts(shown: str) -> frozenset[str]:
    return frozenset(re.sub(r"^[^/:]*/", "", item) for item in _items(shown))


def _alias(**names: str) -> Rule:
    return _each(lambda text: names.get(text.lower(), text.lower()))


_SET = Rule(lambda options: frozenset(_items(_last(options))), lambda shown: frozenset(_items(shown)))
_LIST = Rule(lambda options: _items(_last(options)), _items)
_PRESENCE = Rule(bool, lambda shown: bool(shown.strip()))
_TIGHT = _each(lambda text: text.replace(" ", ""))
_NETWORKS = Rule(lambda options: _networks(_all_items(options)), lambda shown: _networks(_items(shown)))
_TEXT = _each(lambda text: text)

FIELDS: Mapping[str, str] = {
    "disallow": "allow",
    "permit": "acl",
    "deny": "acl",
    "contactpermit": "contactacl",
    "contactdeny": "contactacl",
    "contact": "contacts",
}
"""Options that Asterisk shows under another field's name."""

RULES: Mapping[PjsipType, Mapping[str, Rule]] = {
    PjsipType.ENDPOINT: {
        "allow": Rule(_codecs, _shown_codecs),
        "setvar": Rule(_variables, lambda shown: shown.strip()),
        "acl": _PRESENCE,  # shown as the words `deny/permit`, never the networks
        "contactacl": _PRESENCE,
        "callerid": Rule(lambda options: _printed_caller_id(_last(options)), str.strip),
        "callgroup": _each(_groups),
        "pickupgroup": _each(_groups),
        "namedcallgroup": _SET,
        "namedpickupgroup": _SET,
        "identifyby": _SET,
        "auth": _LIST,
        "outboundauth": _LIST,
        "aors": _LIST,
        "mailboxes": _LIST,
        "tosaudio": _each(_tos),
        "tosvideo": _each(_tos),
        "connectedlinemethod": _alias(reinvite="invite"),
        "directmediamethod": _alias(reinvite="invite"),
        "codecprefsincomingoffer": _TIGHT,
        "codecprefsoutgoingoffer": _TIGHT,
        "codecprefsincominganswer": _TIGHT,
        "codecprefsoutgoinganswer": _TIGHT,
    },
    PjsipType.AUTH: {
        "authtype": _alias(userpass="digest", md5="digest"),  # the old words for the same
    },
    PjsipType.AOR: {
        "contacts": Rule(_contacts, _shown_contacts),
        "qualifytimeout": _each(_decimal),
        "mailboxes": _LIST,
    },
    PjsipType.IDENTIFY: {"match": Rule(_matches, lambda shown: _networks(_items(shown)))},
    PjsipType.TRANSPORT: {"bind": _each(_bind), "localnet": _NETWORKS},
    PjsipType.REGISTRATION: {},
}


@cache
def field_of(option: str) -> str:
    """The field, in lower case, under which Asterisk shows an option: `dtmf_mode` is shown as `DtmfMode`."""
    plain = option.replace("_", "").lower()
    return FIELDS.get(plain, plain)


def same(kind: PjsipType, field: str, options: Options, shown: str) -> bool:
    """Whether the options rendered for one field (in order, in clear) mean what Asterisk shows for it."""
    rule = RULES.get(kind, {}).get(field, _TEXT)
    wanted, found = rule.rendered(options), rule.shown(shown)
    if wanted == found:
        return True
    return rule is _TEXT and same_truth(str(wanted), str(found))


def same_truth(rendered: str, shown: str) -> bool:
    """Whether two words mean the same truth, the second being one that Asterisk prints for a truth."""
    rendered, shown = rendered.lower(), shown.lower()
    return shown in {"yes", "no", "true", "false"} and (
        (rendered in _TRUE and shown in _TRUE) or (rendered in _FALSE and shown in _FALSE)
    )
