"""The database of the runtime services: engine, tables, migrations.

Imports `resources` only. SQLite by default, PostgreSQL by URL. Its calls block: services make them in threads, by
`Store.call`. One module for each noun (`inbox`, `outgoing`, `events`, `deliveries`, `known_states`): its tables, its
frozen records, and functions of one transaction each.
"""

from dialplane.store.engine import Store
from dialplane.store.errors import StoreError, StoreNewer, StoreUnavailable

__all__ = ["Store", "StoreError", "StoreNewer", "StoreUnavailable"]
