"""The test bed's PostgreSQL, the machine's and Debian's alike."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from testbed import postgres
from testbed.postgres import Postgres


@pytest.fixture(params=[postgres.locate, postgres._from_debian], ids=["located", "debian"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Postgres]:
    async with Postgres(tmp_path / "postgres", installation=request.param()) as started:
        yield started


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, connect_timeout=5)


async def test_two_databases_are_apart(server: Postgres) -> None:
    one, other = await server.database(), await server.database()
    with connect(one) as here, connect(other) as there:
        here.execute("CREATE TABLE inbox (text text)")
        here.execute("INSERT INTO inbox VALUES ('Ж你🎉')")
        assert here.execute("SELECT text FROM inbox").fetchall() == [("Ж你🎉",)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            there.execute("SELECT text FROM inbox")
    await server.drop(one)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(one)


async def test_nobody_comes_in_without_the_password(server: Postgres) -> None:
    url = server.url.replace(server._password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(url)


async def test_what_was_committed_survives_a_crash_of_the_server(server: Postgres) -> None:
    url = await server.database()
    with connect(url) as connection:
        connection.execute("SET synchronous_commit = on")
        connection.execute("CREATE TABLE inbox AS SELECT 1 AS number")
    await server.kill()
    await server.start()
    with connect(url) as connection:
        assert connection.execute("SELECT number FROM inbox").fetchall() == [(1,)]


async def test_it_never_runs_as_root(server: Postgres) -> None:
    assert server._child is not None
    status = Path(f"/proc/{server._child.pid}/status").read_text()
    [users] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
    assert "0" not in users
