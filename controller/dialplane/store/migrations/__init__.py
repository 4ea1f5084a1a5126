"""Alembic's folder: one file for each change of the tables, in `versions`. A released one never changes."""
