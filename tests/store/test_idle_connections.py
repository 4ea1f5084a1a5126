"""A connection of the pool that nobody used for a while is looked at before it is used: the database may be another."""

from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from dialplane.store import Store, StoreUnavailable, engine

CUT = (
    b"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    b"WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def cut_all(url: str) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:"), autocommit=True) as connection:
        connection.execute(CUT)


def ask(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(sa.text("SELECT 1")).scalar_one())


def test_the_database_was_restarted_while_nobody_asked(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PING_AFTER", 0.0)
    with closing(Store.open(postgres_url)) as store:
        assert ask(store) == 1
        cut_all(postgres_url)
        assert ask(store) == 1


def test_a_connection_that_was_just_used_is_not_looked_at(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PING_AFTER", 60.0)
    with closing(Store.open(postgres_url)) as store:
        assert ask(store) == 1
        cut_all(postgres_url)
        with pytest.raises(StoreUnavailable):
            ask(store)
        assert ask(store) == 1
