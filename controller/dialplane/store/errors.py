"""What can be wrong with the store.

StoreError
├── StoreUnusable      the URL or the folder cannot work: the administrator corrects it
├── StoreNewer         a newer Dialplane made the database: start that one, or restore a backup
└── StoreUnavailable   the database does not answer now: try again, nothing was written
    └── StoreConflict  another transaction was in the way: try again at once, nothing was written

No text of theirs contains a password or a message's content.
"""


class StoreError(Exception):
    """Something is wrong with the store."""


class StoreUnusable(StoreError):
    """The URL, or the folder it names, cannot work: the administrator corrects it."""


class StoreNewer(StoreError):
    """The database was made by a newer Dialplane: start that one, or restore a backup."""


class StoreUnavailable(StoreError):
    """The database did not do it, now: try again. The transaction was rolled back, unless the line broke at its end."""


class StoreConflict(StoreUnavailable):
    """Another transaction was in the way, and this one was rolled back: try again at once."""
