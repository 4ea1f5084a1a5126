"""How a turn detector decides; the defaults are those measured by `python -m bench.turns`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The limits of one detector."""

    end_of_turn_seconds: float = 0.7
    """Silence that ends a turn."""
    prebuffer_seconds: float = 0.3
    """What is kept from before the trigger, for the recogniser."""
