"""Whose phones must register anew; and how objects are told apart from one session to the next."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from dialplane.plan.digest import digest
from dialplane.plan.objects import DialplanContext, Dongle, Mailbox, PjsipObject, Readable
from dialplane.resources.key import Key

__all__ = ["Readable", "Revoked", "digests", "mark"]


@dataclass(frozen=True, slots=True)
class Revoked:
    """Aors whose bound phones have lost their right to be there."""

    rekeyed: frozenset[str]
    """Still wanted, but with another auth, or for phones of other networks."""
    gone: frozenset[str]
    """Not wanted any more."""

    @classmethod
    def of(cls, proven: Mapping[str, Readable], wanted: Mapping[str, Readable], earlier: Mapping[str, str]) -> Self:
        """Compare what Asterisk had, by this session's proof or by an earlier one's digests, with what is wanted."""
        changed = [name for name, item in proven.items() if wanted.get(name) is not item]
        changed += earlier.keys() - proven.keys()
        found = {
            name.partition("/")[2]
            for name in changed
            if _lost(name.partition("/")[0], proven.get(name), wanted.get(name), earlier.get(name, ""))
        }
        gone = frozenset(id_ for id_ in found if f"aor/{id_}" not in wanted)
        return cls(frozenset(found) - gone, gone)


def digests(items: Mapping[str, Readable], owners: Collection[Key]) -> dict[Key, dict[str, str]]:
    """By owner, name and digest of each object that it alone wants: what a later session compares with."""
    found: dict[Key, dict[str, str]] = {owner: {} for owner in owners}
    for name, item in items.items():
        if item.owner in found and not isinstance(item, DialplanContext):
            found[item.owner][name] = mark(item)
    return found


def mark(item: Readable) -> str:
    """Names the content of one object."""
    match item:
        case PjsipObject() | Dongle():
            return digest(item.options)
        case Mailbox():
            return digest(item.pin, item.full_name, item.email, item.options)
        case DialplanContext():
            return digest(item.includes, [(e.extension, e.priority, e.application, e.arguments) for e in item.entries])


def _lost(kind: str, before: Readable | None, now: Readable | None, earlier: str) -> bool:
    """Whether the change of one object takes its phones' right away."""
    match kind:
        case "auth":
            return now is None or (mark(now) != earlier if before is None else now != before)
        case "aor":
            return now is None
        case "endpoint":  # the networks that its phones may be in; only known within a session
            return (
                isinstance(before, PjsipObject) and isinstance(now, PjsipObject) and _networks(before) != _networks(now)
            )
        case _:
            return False


def _networks(endpoint: PjsipObject) -> tuple[object, ...]:
    return tuple(option for option in endpoint.options if option[0] in {"permit", "deny"})
