"""The YAML files of one commit of a Git repository, read from its objects by the rules of `tree`.

A link may lead to wherever it likes within the commit, also out of the folder that was asked for: all of it is one
state, which was reviewed as one.
"""

from collections.abc import Iterator
from stat import S_ISDIR, S_ISLNK
from typing import Final

from dulwich.object_store import BaseObjectStore
from dulwich.objects import S_ISGITLINK, Blob, ObjectID, Tree

from dialplane.standalone.files import FILE_LIMIT, File, SourceMissing, oversize
from dialplane.standalone.tree import (
    CIRCLE,
    FILES_LIMIT,
    NOWHERE,
    POINTER_LIMIT,
    SUBMODULE,
    Kind,
    Outside,
    Unfollowable,
    places,
)

_OUTSIDE: Final = "is a symbolic link that leads out of the repository: put what it means into the repository"
LINKS_LIMIT: Final = 40
"""Links on the way to one file, as in Linux."""


def read_tree(store: BaseObjectStore, root: ObjectID, folder: str) -> list[File]:
    """The YAML files below `folder` of the commit with that tree, sorted by path.

    Raises:
        SourceMissing: there is no such folder, or no manifest in it; a phrase that follows the commit's name.
    """
    tree = _Commit(store, root)
    try:
        real, kind = tree.follow(folder)
    except Unfollowable as error:
        if str(error) != NOWHERE:
            raise SourceMissing(f"has no readable folder {folder}, which {error}") from None
        kind = Kind.FILE
    if kind is not Kind.FOLDER:
        raise SourceMissing(f"has no folder {folder}: correct --path")
    found = places(tree, folder, real)
    if not found:
        raise SourceMissing(f"has no .yaml or .yml file in {folder or 'it'}: correct --path or --branch")
    if len(found) > FILES_LIMIT:
        raise SourceMissing(f"has more than {FILES_LIMIT:,} YAML files: point --path at the site's own folder")
    return [File(_printable(p.shown), flaw=p.flaw) if p.flaw else tree.file(_printable(p.shown), p.real) for p in found]


class _Commit:
    """A commit's folders, as a `Tree`. A real path is relative to the repository; the root's is empty."""

    def __init__(self, store: BaseObjectStore, root: ObjectID) -> None:
        self._store = store
        self._trees = {"": root}

    def entries(self, folder: str) -> Iterator[tuple[str, Kind]]:
        for name, mode, _ in self._tree(folder).items():
            yield name.decode("utf-8", "surrogateescape"), _kind(mode)

    def follow(self, link: str) -> tuple[str, Kind]:
        ahead, here, kind = link.split("/")[::-1], "", Kind.FOLDER
        links = 0
        while ahead:
            part = ahead.pop()
            if part in {"", "."}:
                continue
            if kind is not Kind.FOLDER:
                raise Unfollowable(NOWHERE)
            if part == "..":
                if not here:
                    raise Outside(_OUTSIDE)
                here = here.rpartition("/")[0]
                continue
            below = f"{here}/{part}" if here else part
            kind, entry = self._entry(here, part)
            if kind is Kind.SUBMODULE:
                raise Unfollowable(f"is a symbolic link into {below}, which {SUBMODULE}")
            if kind is not Kind.LINK:
                here = below
                continue
            links += 1
            target = self._blob(entry).decode("utf-8", "surrogateescape")
            if target.startswith("/"):
                raise Outside(_OUTSIDE)
            if links > LINKS_LIMIT:
                raise Unfollowable(CIRCLE)
            ahead.extend(target.split("/")[::-1])
            kind = Kind.FOLDER
        return here, kind

    def text(self, file: str) -> bytes:
        data = self._data(file)
        return data if len(data) <= POINTER_LIMIT else b""

    def file(self, shown: str, real: str) -> File:
        data = self._data(real)
        return File(shown, data) if len(data) <= FILE_LIMIT else File(shown, flaw=oversize(len(data)))

    def _data(self, file: str) -> bytes:
        folder, _, name = file.rpartition("/")
        return self._blob(self._entry(folder, name)[1])

    def _entry(self, folder: str, name: str) -> tuple[Kind, ObjectID]:
        try:
            mode, entry = self._tree(folder)[name.encode("utf-8", "surrogateescape")]
        except KeyError:
            raise Unfollowable(NOWHERE) from None
        return _kind(mode), entry

    def _tree(self, folder: str) -> Tree:
        if folder not in self._trees:
            above, _, name = folder.rpartition("/")
            self._trees[folder] = self._entry(above, name)[1]
        found = self._store[self._trees[folder]]
        if not isinstance(found, Tree):
            raise Unfollowable(NOWHERE)
        return found

    def _blob(self, entry: ObjectID) -> bytes:
        found = self._store[entry]
        return found.as_raw_string() if isinstance(found, Blob) else b""


def _kind(mode: int) -> Kind:
    if S_ISGITLINK(mode):
        return Kind.SUBMODULE
    if S_ISLNK(mode):
        return Kind.LINK
    return Kind.FOLDER if S_ISDIR(mode) else Kind.FILE


def _printable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
