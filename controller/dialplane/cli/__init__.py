"""The `dialplane` command.

`commands` has one module per command, `client` is how they reach the API, and `errors` says how each may end.
May import everything; nothing imports this.
"""

from dialplane.cli.app import main

__all__ = ["main"]
