"""A store that opens has its tables; one that does not says why in one line."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from dialplane.services.registry import tables
from dialplane.services.sms.tables import inbox
from dialplane.store import Store, StoreError, StoreNewer, StoreUnavailable
from dialplane.store.errors import StoreUnusable
from dialplane.store.migration import scripts

OPEN = "import sys; from dialplane.store import Store; Store.open(sys.argv[1]).close(); print('open')"


@pytest.fixture
def rows(store: Store) -> Iterator[sa.Connection]:
    with store.read() as connection:
        yield connection


def test_the_migrations_lead_to_the_very_tables_that_the_modules_describe(rows: sa.Connection) -> None:
    assert compare_metadata(MigrationContext.configure(rows), tables()) == []


def test_a_store_that_is_opened_again_is_left_as_it_is(store: Store, store_url: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text("INSERT INTO known_states VALUES ('office', 'Dongle/gsm1', 'Online', '2026-01-01')"))
    again = Store.open(store_url)
    with again.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM known_states")).scalar() == 1
    again.close()


def test_processes_that_open_an_empty_store_at_once_all_succeed(store_url: str) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", OPEN, store_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    ended = [process.communicate(timeout=60) for process in [start() for _ in range(4)]]
    assert [out for out, _ in ended] == ["open\n"] * 4, ended


def test_threads_that_open_an_empty_store_at_once_all_succeed(store_url: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(Store.open(store_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4
    for store in opened:
        store.close()


def test_a_database_of_a_newer_dialplane_is_left_alone(store: Store, store_url: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreNewer, match=f"newer Dialplane .*9999.*{scripts().get_current_head()}"):
        Store.open(store_url)


def test_a_password_is_in_no_text() -> None:
    url = "postgresql+psycopg://dialplane:hunter2-secret@127.0.0.1:1/dialplane"
    with pytest.raises(StoreUnavailable) as raised:
        Store.open(url)
    assert "127.0.0.1:1/dialplane" in str(raised.value)
    chain = [raised.value, raised.value.__cause__]
    assert not any("hunter2" in f"{error!s}{error!r}" for error in chain)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://dialplane:hunter2-secret@db/dialplane", "the store is sqlite"),
        ("sqlite://", "needs a file"),
        ("postgresql://dialplane:hunter2@db:hunter2/dialplane", "cannot be read"),
        ("not a URL: hunter2-secret", "cannot be read"),
        ("sqlite:////proc/nowhere/store.db", "No such file"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_its_cure(url: str, said: str) -> None:
    with pytest.raises(StoreUnusable, match=said) as raised:
        Store.open(url)
    assert "hunter2" not in str(raised.value)


def test_messages_in_a_file_are_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Store.open(f"sqlite:///{tmp_path}/store.db").close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_what_the_database_refuses_for_good_is_told_apart_from_what_it_cannot_do_now(store: Store) -> None:
    with pytest.raises(StoreError) as raised, store.write() as connection:
        connection.execute(sa.insert(inbox.INBOX), [{"id": "in-1", "text": "very private"}])
    assert not isinstance(raised.value, StoreUnavailable)
    assert "very private" not in str(raised.value)


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def half() -> None:
        with store.write() as connection:
            connection.execute(
                sa.text("INSERT INTO known_states VALUES ('office', 'Dongle/gsm1', 'Online', '2026-01-01')")
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with store.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM known_states")).scalar() == 0
