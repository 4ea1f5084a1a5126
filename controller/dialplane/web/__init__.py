"""The HTTP API: one FastAPI application that mounts what the services offer. Whoever calls it shows a token."""
