"""Recordings of calls: written while the call goes on, stored when it is over."""

from dialplane.storage.options import StorageOptions


class Recordings:
    """The recordings that one process makes."""

    def __init__(self, site: str, options: StorageOptions) -> None:
        """Write into the spool of `options`, and store into its storage."""
        self._site = site
        self._options = options
