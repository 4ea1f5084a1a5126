"""The store on both databases."""

from tests.databases import postgres, postgres_url, store, store_url

__all__ = ["postgres", "postgres_url", "store", "store_url"]
