"""How often a property is tried: enough to see a fault in `make test`, as often as one likes with `DIALPLANE_EXAMPLES`."""

import os


def tries(count: int) -> int:
    """Return how many examples Hypothesis makes: so many, times the figure in `DIALPLANE_EXAMPLES`."""
    return count * int(os.environ.get("DIALPLANE_EXAMPLES", "1"))
