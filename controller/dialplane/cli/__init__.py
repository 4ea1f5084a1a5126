"""The `dialplane` command.

One module per command; `errors` says how each may end. May import everything; nothing imports this.
"""

from dialplane.cli.app import main

__all__ = ["main"]
