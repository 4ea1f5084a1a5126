"""What the revision of a resource is made of: every line that it brings, wherever that stands."""

from collections.abc import Iterable, Mapping

from dialplane.plan.dialplan.contexts import INTERNAL, VOICEMAIL
from dialplane.plan.digest import digest
from dialplane.plan.objects import DialplanEntry, Dongle, Mailbox, Objects, PjsipObject
from dialplane.resources.key import Key

Line = tuple[object, ...]


def revision(lines: Iterable[Line], pepper: bytes) -> str:
    """Names the lines of one resource."""
    return digest(*lines, pepper=pepper)


def of_object(item: PjsipObject) -> Line:
    """A section of a PJSIP file."""
    return item.type, item.id, item.options


def of_entry(context: str, entry: DialplanEntry) -> Line:
    """A line of a context."""
    return context, entry.extension, entry.priority, entry.application, entry.arguments


def of_mailbox(box: Mailbox) -> Line:
    """A line of voicemail.conf."""
    return box.number, box.pin, box.full_name, box.email, box.options


def of_dongle(item: Dongle) -> Line:
    """A section of a modem driver's file."""
    return item.driver, item.id, item.options


def owned(objects: Objects, owners: Iterable[Key]) -> Mapping[Key, list[Line]]:
    """The lines of each of `owners` outside of PJSIP's files, mailboxes and modems, in the order of the files."""
    found: dict[Key, list[Line]] = {owner: [] for owner in owners}
    nobody: list[Line] = []
    for context in objects.contexts:
        found.get(context.owner, nobody).append((context.name, context.includes))
        if context.name not in {INTERNAL, VOICEMAIL}:  # all of extensions, and long
            for entry in context.entries:
                found.get(entry.owner, nobody).append(of_entry(context.name, entry))
    for setting in objects.settings:
        found.get(setting.owner, nobody).append((setting.file, setting.section, setting.name, setting.value))
    for pair in objects.certificates:
        found.get(pair.owner, nobody).append((pair.name, pair.certificate, pair.key))
    return found
