"""What a read-back finds."""

from dataclasses import dataclass

from dialplane.resources.key import Key


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference between what was rendered and what Asterisk runs. Never carries a secret."""

    owner: Key | None
    """The resource to blame; None for `[globals]`, which belong to the whole site."""
    object: str
    """Such as `endpoint 101`, `context internal`, `mailbox 101`."""
    field: str
    """The option that differs; empty where the object as a whole is missing, or still there."""
    message: str
    missing: bool = False
    """The object is not in Asterisk at all: refused on its first load, or never rendered."""
    needs_restart: bool = False
    """No reload can cure it: Asterisk reads this only when it starts."""
    waits: bool = False
    """It takes effect by itself when a call has ended; no reload is needed, nor wanted."""
    module: str = ""
    """The module whose absence is the cause; it says nothing against the manifest."""

    def __str__(self) -> str:
        return f"{self.object}: {self.field}: {self.message}" if self.field else f"{self.object}: {self.message}"
