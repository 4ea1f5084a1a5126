"""What may go wrong with a storage; each is one line that names no credentials."""


class StorageError(Exception):
    """The storage did not do it."""


class StorageUnusable(StorageError):
    """What the user gave can never be a storage."""


class StorageUnavailable(StorageError):
    """It does not answer now: what was asked may be tried again."""


class StorageRefused(StorageError):
    """It answers and does not let us; once its credentials or its bucket are right, it will."""


class ObjectMissing(StorageError):
    """There is no such object."""
