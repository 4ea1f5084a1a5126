"""The HTTP API's framework, below the services: one FastAPI application with the paths that services mount.

Whoever calls it shows a token. `application.serve` is all that a process needs to offer it.
"""
