"""The databases that the store runs on, and a time for what is written into them.

SQLite is there at once. PostgreSQL is asked only where the database decides: in `tests/store`, and in the tests
marked `databases` (races, and processes that are killed).
"""

from datetime import UTC, datetime

NOW = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
EACH_DATABASE = (SQLITE, POSTGRESQL)
