"""What it costs PostgreSQL to claim commands right after a storm of connects, when it has no statistics yet."""

import sqlalchemy as sa

from dialplane.services.elevator.tables import commands, sessions
from dialplane.services.elevator.tables.commands import NewCommand
from dialplane.services.elevator.tables.sessions import Connect
from dialplane.store import Store
from tests.databases import NOW

SITE, REPLICA = "lifts", "replica"
DEVICES, COMMANDS = 2_000, 100
READ = sa.text(
    "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'device_sessions'"
)


def work(url: str) -> int:
    """Connect devices and claim commands of some, over connections that end: so they have told their statistics."""
    store = Store.open(url)
    try:
        connects = [Connect(f"lift-{number}", "192.0.2.1", NOW) for number in range(DEVICES)]
        epochs = {name: each.epoch for name, each in sessions.open_all(store, SITE, REPLICA, connects, now=NOW).items()}
        wanted = [
            NewCommand(f"lift-{number}", "STATUS", False, {}, "desk", f"key-{number}", deadline=NOW.replace(year=2099))
            for number in range(COMMANDS)
        ]
        commands.queue(store, SITE, wanted, now=NOW)
        claimed = commands.claim(store, SITE, REPLICA, epochs, now=NOW)
        assert {(each.device, each.sends) for each in claimed} == {(new.device, 1) for new in wanted}
        return len(claimed)
    finally:
        store.close()


def test_a_claim_reads_the_sessions_of_its_commands_alone(postgres_url: str) -> None:
    count = work(postgres_url)
    store = Store.open(postgres_url)
    with store.read() as connection:
        read = connection.execute(READ).scalar_one()
    store.close()
    assert read <= DEVICES + 10 * count, "it looks through all sessions for each command"
