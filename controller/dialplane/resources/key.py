"""The name of one resource within a site."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names one resource of a site; a site is one namespace, so that the namespace is not part of it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
