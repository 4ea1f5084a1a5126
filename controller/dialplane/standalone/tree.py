"""Which manifests stand below a folder, whether it is one of the machine's or one of a Git commit.

A folder that is skipped in silence takes its telephones out of service. So symbolic links are followed as long as they
stay inside, and whatever cannot be read is named: a link that leads outside or nowhere, a submodule, a folder without
rights or without anything in it (which is what an unmounted volume and a submodule that was not checked out look like).
Left alone are hidden files and folders (`.git`, editors' swap files, the `..data` of a mounted ConfigMap) and files of
other names. What several links lead to is read once.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

FILES_LIMIT: Final = 50_000
SUFFIXES: Final = (".yaml", ".yml")
BOT_TEST_SUFFIXES: Final = tuple(f".bot-test{suffix}" for suffix in SUFFIXES)
"""Files of `dialplane bot test`, which lie beside manifests and are none."""
POINTER_LIMIT: Final = 255
"""Bytes of the text of a symbolic link."""

NOWHERE: Final = "is a symbolic link that leads nowhere: correct or delete it"
CIRCLE: Final = "is a symbolic link that leads in a circle: correct or delete it"
SUBMODULE: Final = "is a Git submodule, whose files are not in this repository: put them into the repository itself"
EMPTY: Final = (
    "is an empty folder, as of a volume that is not mounted or a submodule that is not checked out: delete it, or put"
    " a file into it"
)
_FLATTENED: Final = (
    "holds the path of a folder, as of a symbolic link that was copied or checked out as text: make it a link again"
)


class Kind(Enum):
    """What an entry of a folder is."""

    FOLDER = "folder"
    FILE = "file"
    """Also what only looks like one, such as a pipe: who reads it finds out."""
    LINK = "link"
    SUBMODULE = "submodule"


class Unfollowable(Exception):
    """A folder or a link cannot be read: the message is a phrase that follows its path, and names the cure."""


class Outside(Unfollowable):
    """A link leads to what is there, but not below the folders that are read."""


class Tree(Protocol):
    """A tree of folders. Real paths have no link in them; two names of one file have the same."""

    def entries(self, folder: str) -> Iterable[tuple[str, Kind]]:
        """The names in the folder of that real path.

        Raises:
            Unfollowable: it cannot be listed.
        """

    def follow(self, link: str) -> tuple[str, Kind]:
        """The real path that a link leads to, and what is there: a folder or a file.

        Raises:
            Unfollowable: it leads nowhere, in a circle or, where that matters, outside.
        """

    def text(self, file: str) -> bytes:
        """The bytes of a file of at most `POINTER_LIMIT` bytes; nothing of any other."""


@dataclass(frozen=True, slots=True)
class Place:
    """A manifest's file, or what keeps it or a whole folder from being read."""

    shown: str
    """Its path as the user knows it."""
    real: str
    flaw: str = ""


def is_left_alone(name: str) -> bool:
    """Whether a file or folder of that name is none of the user's: a hidden one, or the file system's own."""
    return name.startswith(".") or name == "lost+found"


def is_manifest_name(name: str) -> bool:
    """Whether a file of that name is read as manifests."""
    low = name.lower()
    return low.endswith(SUFFIXES) and not low.endswith(BOT_TEST_SUFFIXES) and not is_left_alone(name)


def places(tree: Tree, shown: str, real: str) -> list[Place]:
    """The manifests below one folder, sorted by name; little more than `FILES_LIMIT` at most."""
    return sorted(_Walk(tree, shown, real).found.values(), key=lambda place: place.shown)


class _Walk:
    """Goes through the real folders first: a file that a link leads to as well is shown by its own name."""

    def __init__(self, tree: Tree, shown: str, real: str) -> None:
        self.found: dict[str, Place] = {}
        self._tree = tree
        self._root = real
        self._seen: set[str] = set()
        self._folders = deque([(shown, real)])
        self._links = deque[tuple[str, str]]()
        while (self._folders or self._links) and len(self.found) <= FILES_LIMIT:
            if self._folders:
                self._list(*self._folders.popleft())
            else:
                self._follow(*self._links.popleft())

    def _list(self, shown: str, folder: str) -> None:
        if folder in self._seen:
            return
        self._seen.add(folder)
        try:
            entries = sorted(self._tree.entries(folder), key=lambda entry: entry[0])
        except Unfollowable as error:
            self._note(shown, folder, str(error))
            return
        if not entries and folder != self._root:
            self._note(shown, folder, EMPTY)
        for name, kind in entries:
            if not is_left_alone(name):
                self._take(_join(shown, name), _join(folder, name), kind)

    def _take(self, shown: str, real: str, kind: Kind) -> None:
        name = real.rpartition("/")[2]
        if kind is Kind.FOLDER:
            self._folders.append((shown, real))
        elif kind is Kind.LINK:
            self._links.append((shown, real))
        elif kind is Kind.SUBMODULE:
            self._note(shown, real, SUBMODULE)
        elif is_manifest_name(name):
            self._note(shown, real)
        elif "." not in name and _is_flattened(self._tree, real):
            self._note(shown, real, _FLATTENED)

    def _follow(self, shown: str, link: str) -> None:
        try:
            real, kind = self._tree.follow(link)
        except Unfollowable as error:
            self._note(shown, link, str(error))
            return
        if kind is Kind.FOLDER:
            self._folders.append((shown, real))
        elif is_manifest_name(link.rpartition("/")[2]):
            self._note(shown, real)

    def _note(self, shown: str, real: str, flaw: str = "") -> None:
        self.found.setdefault(real, Place(shown, real, flaw))


def _is_flattened(tree: Tree, file: str) -> bool:
    """Whether a file is what a system without symbolic links makes of one that leads to a folder."""
    text = tree.text(file)
    if b"/" not in text or b"\n" in text or b"\0" in text:
        return False
    try:
        return tree.follow(_join(file.rpartition("/")[0], text.decode()))[1] is Kind.FOLDER
    except Outside:
        return True
    except (Unfollowable, UnicodeDecodeError):
        return False


def _join(folder: str, name: str) -> str:
    return f"{folder}{'' if folder.endswith('/') or not folder else '/'}{name}"
