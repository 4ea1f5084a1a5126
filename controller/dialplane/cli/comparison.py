"""Two plans, or a plan and the files of a running Asterisk, side by side: lines, resources, live objects, reloads."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dialplane.asterisk.reload import Reloads, reloads_for
from dialplane.plan.objects import Driver, Objects
from dialplane.plan.plan import Plan
from dialplane.plan.render import EXTENSIONS, VOICEMAIL
from dialplane.resources.key import Key

CONTEXT: Final = 3
"""Unchanged lines around a change, as in `diff -u`."""
WINDOW: Final = 4_000
"""Lines up to which two texts are compared line by line; longer ones section by section, which stays linear."""

_MAILBOX: Final = re.compile(r"^([^\s;=\[]+)\s*=>.*$", re.MULTILINE)
_SECTION: Final = re.compile(r"^\[([^\]]+)\]")


class Change(StrEnum):
    """What happens to a resource or an object."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource, and what its change does to the objects in Asterisk."""

    key: Key
    change: Change
    objects: tuple[tuple[str, Change], ...] = ()
    """Such as `endpoint 101`."""

    @property
    def effect(self) -> str:
        """The objects by what happens to them, in words."""
        verbs = {Change.ADDED: "adds", Change.CHANGED: "changes", Change.REMOVED: "removes"}
        parts = []
        for change, verb in verbs.items():
            names = [name for name, what in self.objects if what is change]
            if names:
                shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004
                parts.append(f"{verb} {shown}")
        return "; ".join(parts) or "no object of its own"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs."""

    files: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """The files that differ: old and new text, secrets included."""
    resources: tuple[ResourceChange, ...] = ()
    reloads: Reloads = field(default_factory=Reloads)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.files and not self.resources


def compare_plans(old: Plan, new: Plan) -> Comparison:
    """What becomes of `old` when `new` is applied."""
    files = _differing(old.files, new.files)
    before, after = _objects_by_owner(old.objects), _objects_by_owner(new.objects)
    changes = []
    for key in sorted(old.versions.keys() | new.versions.keys() | before.keys() | after.keys()):
        objects = tuple(_object_changes(before.get(key, {}), after.get(key, {})))
        if key not in old.versions:
            change = Change.ADDED
        elif key not in new.versions:
            change = Change.REMOVED
        elif objects or old.versions[key].revision != new.versions[key].revision:
            change = Change.CHANGED
        else:
            continue
        changes.append(ResourceChange(key, change, objects))
    return Comparison(files, tuple(changes), _reloads(files))


def compare_files(live: Mapping[str, str], new: Plan) -> Comparison:
    """What becomes of the files of a running Asterisk when `new` is applied."""
    files = _differing(live, new.files)
    owners: dict[str, Key] = {f"{item.type} {item.id}": item.owner for item in new.objects.pjsip}
    owners |= {f"context {item.name}": item.owner for item in new.objects.contexts}
    owners |= {f"mailbox {box.number}": box.owner for box in new.objects.mailboxes}
    owners |= {f"{item.driver} {item.id}": item.owner for item in new.objects.dongles}
    changes: dict[Key, list[tuple[str, Change]]] = defaultdict(list)
    for name, (old_text, new_text) in files.items():
        for title, change in _object_changes(_named(name, old_text), _named(name, new_text)):
            kind, _, rest = title.partition(" ")
            changes[owners.get(title) or Key(f"(no resource's {kind})", rest)].append((title, change))
    found = []
    for key, objects in sorted(changes.items()):
        kinds = {change for _, change in objects}
        found.append(ResourceChange(key, kinds.pop() if len(kinds) == 1 else Change.CHANGED, tuple(objects)))
    return Comparison(files, tuple(found), _reloads(files))


def _named(file: str, text: str) -> dict[str, str]:
    """The objects in a rendered file, by kind and name."""
    if file == VOICEMAIL:
        return {f"mailbox {found[1]}": found[0] for found in _MAILBOX.finditer(text)}
    if file == EXTENSIONS:
        kind = "context"
    elif file in {driver.file for driver in Driver}:
        kind = file.removesuffix(".conf")
    elif file.startswith("pjsip_"):
        kind = file.removeprefix("pjsip_").removesuffix(".conf")
    else:
        return {}
    return {f"{kind} {name}": body for name, body in sections(text).items() if name and name != "globals"}


def unified(name: str, old: str, new: str) -> Iterator[str]:
    """The lines of a unified diff, without line ends; secrets included."""
    if max(old.count("\n"), new.count("\n")) <= WINDOW:
        yield from _hunks(name, old.splitlines(), new.splitlines())
        return
    before, after = sections(old), sections(new)
    first = True
    for section in dict.fromkeys([*before, *after]):
        if before.get(section) != after.get(section):
            hunks = _hunks(name, before.get(section, "").splitlines(), after.get(section, "").splitlines())
            for number, line in enumerate(hunks):
                if first or number > 1:
                    yield f"{line} [{section}]" if line.startswith("@@") else line
            first = False


def sections(text: str) -> dict[str, str]:
    """A file's sections by name, each with its heading; what stands before the first is under an empty name."""
    found: dict[str, list[str]] = defaultdict(list)
    current = found[""]
    for line in text.splitlines(keepends=True):
        heading = _SECTION.match(line)
        if heading:
            current = found[heading[1]]
        current.append(line)
    return {name: "".join(lines) for name, lines in found.items()}


def _hunks(name: str, old: list[str], new: list[str]) -> Iterator[str]:
    yield from difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="", n=CONTEXT)


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {
        name: (old.get(name, ""), new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name, "") != new.get(name, "")
    }


def _reloads(files: Iterable[str]) -> Reloads:
    return reloads_for(list(files)) if files else Reloads()


def _object_changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[tuple[str, Change]]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield name, Change.ADDED
        elif name not in after:
            yield name, Change.REMOVED
        elif before[name] != after[name]:
            yield name, Change.CHANGED


def _objects_by_owner(objects: Objects) -> dict[Key, dict[str, object]]:
    found: dict[Key, dict[str, object]] = defaultdict(dict)
    for item in objects.pjsip:
        found[item.owner][f"{item.type} {item.id}"] = item.options
    for context in objects.contexts:
        lines: dict[tuple[Key, str], list[object]] = defaultdict(list)
        for entry in context.entries:
            lines[entry.owner, entry.extension].append((entry.priority, entry.application, entry.arguments))
        for (owner, extension), entries in lines.items():
            found[owner][f"dialplan {extension}@{context.name}"] = entries
    for box in objects.mailboxes:
        found[box.owner][f"mailbox {box.number}"] = (box.pin, box.full_name, box.email, box.options)
    for dongle in objects.dongles:
        found[dongle.owner][f"{dongle.driver} {dongle.id}"] = dongle.options
    for setting in objects.settings:
        found[setting.owner][f"setting {setting.file}:{setting.section}.{setting.name}"] = setting.value
    for pair in objects.certificates:
        found[pair.owner][f"certificate {pair.name}"] = (pair.certificate, pair.key)
    return found
