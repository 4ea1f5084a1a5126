"""The HTTP API: one FastAPI application that mounts what the services offer. Whoever calls it shows a token.

`serve` is all that a front door needs.
"""

from dialplane.api.application import Api, application, serve
from dialplane.api.tokens import Tokens

__all__ = ["Api", "Tokens", "application", "serve"]
