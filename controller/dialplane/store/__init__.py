"""The database of the runtime services: engine, tables, migrations.

Imports `resources` only. SQLite by default, PostgreSQL by URL. Its calls block: services make them in threads.
"""
