"""The HTTP API: one FastAPI application that mounts what the services offer. Whoever calls it shows a token.

`serve` is all that a front door needs.
"""

from dialplane.web.application import Api, application, serve
from dialplane.web.tokens import Tokens

__all__ = ["Api", "Tokens", "application", "serve"]
