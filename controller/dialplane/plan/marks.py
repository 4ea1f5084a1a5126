"""Names of long content, made again only for what changed."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from dialplane.plan.digest import digest
from dialplane.plan.objects import DialplanContext

Known = tuple[object, str]


class Marks:
    """The marks of one site's dialplan and files, from plan to plan."""

    def __init__(self) -> None:
        self._contexts: dict[str, Known] = {}
        self._files: dict[str, Known] = {}
        self._pepper = b""

    def dialplan(self, contexts: Iterable[DialplanContext]) -> str:
        """The mark of this dialplan: the same contexts, the same mark."""
        known, self._contexts = self._contexts, {}
        for each in contexts:
            before, mark = known.get(each.name, (None, ""))
            self._contexts[each.name] = each, mark if before is each else _context(each)
        return digest([mark for _, mark in self._contexts.values()])

    def files(self, files: Mapping[str, str], pepper: bytes) -> str:
        """The mark of all files together; keyed by `pepper`, since they hold secrets."""
        known, self._files = self._files if pepper == self._pepper else {}, {}
        self._pepper = pepper
        for path, text in sorted(files.items()):
            before, mark = known.get(path, (None, ""))
            self._files[path] = text, mark if before == text else _text(text, pepper)
        return digest([(path, mark) for path, (_, mark) in self._files.items()], pepper=pepper)


def _text(text: str, pepper: bytes) -> str:
    return blake2b(text.encode("utf-8", "surrogateescape"), key=pepper, digest_size=16).hexdigest()


def _context(context: DialplanContext) -> str:
    entries = context.entries
    return digest(
        context.name,
        context.includes,
        [e.extension for e in entries],
        [str(e.priority) for e in entries],
        [e.label for e in entries],
        [e.application for e in entries],
        [e.arguments for e in entries],
        size=16,
    )
