"""The name of one resource within a site."""

from typing import NamedTuple


class Key(NamedTuple):
    """Names one resource of a site; a site is one namespace, so that the namespace is not part of it.

    A tuple, because every pass looks up and sorts thousands of them: that hashes and compares at the speed of C.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
