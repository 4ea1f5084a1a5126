"""A service with replicas, by real processes: one leader and two gateways that share nothing but a database."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.cli.app import main as dialplane
from dialplane.cli.replica_process import STOP_WITHIN
from dialplane.services import registry, runner
from dialplane.services.contract import Role
from dialplane.store import Store
from testbed import fork
from tests.eventually import eventually
from tests.services.beacons import SITE, Leader, beacons, run_command, run_leader

ROOT = Path(__file__).parents[2]
CREDENTIALS = ("ASTERISK_", "KUBE")
OTHERS = {
    "kubernetes",
    "kopf",
    "panoramisk",
    "aioari",
    "dialplane.kube",
    "dialplane.reconcile",
    "dialplane.asterisk.ami",
}
"""What a replica has no business with."""


@contextmanager
def process(target: Callable[..., None], *arguments: object) -> Iterator[BaseProcess]:
    """Run a function of `tests.services.beacons` as a process of its own."""
    started = fork.server().Process(target=target, args=arguments, daemon=True)
    started.start()
    try:
        yield started
    finally:
        started.kill()
        started.join()


@contextmanager
def leader_process(log: Path, url: str) -> Iterator["LeaderProcess"]:
    """Run a leader as a process of its own."""
    ours, theirs = fork.server().Pipe()
    with process(run_leader, str(log), url, theirs) as started, ours, theirs:
        yield LeaderProcess(started, ours)


class LeaderProcess:
    """A leader: `want` gives it beacons, `seen` is what it was reported last of each, by replica."""

    def __init__(self, process: BaseProcess, orders: Connection) -> None:
        self.process = process
        self._orders = orders
        self._seen: dict[str, dict[str, Any]] = {}

    def want(self, *beacons: str) -> None:
        """Make these the beacons that there are."""
        self._orders.send(list(beacons))

    def seen(self) -> dict[str, set[int]]:
        """Of each beacon the processes that report it."""
        while self._orders.poll():
            self._seen = self._orders.recv()
        return {beacon: {state["by"] for state in states.values()} for beacon, states in self._seen.items()}

    async def until(self, beacons: set[str], gateways: set[int | None]) -> float:
        """Wait until each of these processes reports these beacons, and no other does; return the seconds."""
        began = time.monotonic()
        await eventually(self.seen, 20, holds=lambda seen: seen == dict.fromkeys(beacons, gateways))
        return time.monotonic() - began


def gateway_arguments(folder: Path, url: str) -> list[str]:
    """The command line of a gateway."""
    (folder / "url").write_text(f"{url}\n")
    return ["gateway", "-n", SITE, "--store-url-file", str(folder / "url"), "--metrics-address", "127.0.0.1:0"]


@pytest.mark.databases
def test_two_gateways_follow_one_leader_and_its_successor(store_url: str, tmp_path: Path) -> None:
    asyncio.run(_follow(store_url, tmp_path))


async def _follow(url: str, folder: Path) -> None:
    log = folder / "log"
    notified = url.startswith("postgresql")
    gateway = (str(log), gateway_arguments(folder, url), 60.0 if notified else 0)  # so only a notification is in time
    with (
        process(run_command, *gateway) as one,
        process(run_command, *gateway) as two,
        leader_process(log, url) as leader,
    ):
        both, first = {one.pid, two.pid}, {one.pid}
        leader.want("hall", "stairs")
        await leader.until({"hall", "stairs"}, both)

        round_trips = []
        for beacon in ("attic", "cellar", "garage"):
            leader.want("hall", beacon)
            round_trips.append(await leader.until({"hall", beacon}, both))
        if notified:
            assert min(round_trips) < 1

        two.kill()
        await leader.until({"hall", "garage"}, first)
        leader.process.kill()
        leader.process.join()
        await asyncio.sleep(0.2)
        assert one.is_alive()
        with leader_process(log, url) as successor:
            await successor.until({"hall", "garage"}, first)  # it has published nothing yet
            successor.want("porch")
            await successor.until({"porch"}, first)
            one.terminate()
            one.join(5)
            assert one.exitcode == 0
            await successor.until(set(), set())
    assert "Traceback" not in log.read_text()


def test_a_gateway_imports_neither_kubernetes_nor_ami_and_ends_at_once(tmp_path: Path) -> None:
    log, modules = tmp_path / "log", tmp_path / "modules"
    log.touch()
    around = {name: value for name, value in os.environ.items() if not name.startswith(CREDENTIALS)}
    command = [sys.executable, "-m", "tests.services.beacons", str(modules), str(log)]
    arguments = gateway_arguments(tmp_path, f"sqlite:///{tmp_path}/store.db")
    with subprocess.Popen([*command, *arguments], cwd=ROOT, env=around) as running:
        try:
            asyncio.run(eventually(log.read_text, 30, holds=lambda text: "replicas run" in text))
            began = time.monotonic()
            running.terminate()
            assert running.wait(5) == 0, log.read_text()
            assert time.monotonic() - began < STOP_WITHIN + 0.5  # the rest is the machine's
        finally:
            running.kill()
    assert OTHERS & set(json.loads(modules.read_text())) == set()


def numbers(leader: Leader) -> dict[str, list[int]]:
    """Of each beacon the numbers of the halves that report it; each new half has a new number."""
    return {beacon: [state["number"] for state in states.values()] for beacon, states in leader.seen().items()}


def test_one_process_runs_all_roles_and_a_half_that_fails_is_started_again(tmp_path: Path) -> None:
    async def go() -> None:
        leader = Leader(f"sqlite:///{tmp_path}/store.db", roles=(Role.GATEWAY, Role.BOT))
        leader.want(["hall"])
        running = asyncio.create_task(leader.services.run(lambda: None))
        before = await eventually(lambda: numbers(leader))
        leader.want(["hall", "crash"])
        await eventually(leader.seen, holds=lambda seen: seen == {})  # nobody reports them now
        leader.want(["hall"])
        await eventually(lambda: numbers(leader), holds=lambda now: now.get("hall", before["hall"]) > before["hall"])
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(go())


def test_a_half_whose_place_was_taken_is_started_again_under_another_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SUPERSEDED_SECONDS", 0.05)

    async def go() -> None:
        leader = Leader(f"sqlite:///{tmp_path}/store.db", roles=(Role.GATEWAY,))
        leader.want(["hall"])
        running = asyncio.create_task(leader.services.run(lambda: None))
        before = set((await eventually(leader.seen))["hall"])
        leader.want(["superseded"])
        await eventually(leader.seen, holds=lambda seen: not seen.keys() & {"hall"})
        leader.want(["hall"])
        after = await eventually(leader.seen, holds=lambda seen: set(seen.get("hall", before)).isdisjoint(before))
        assert len(after["hall"]) == 1
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(go())


def test_a_process_whose_place_was_taken_ends(tmp_path: Path) -> None:
    async def go(url: str) -> None:
        leader = Leader(url)
        leader.want(["superseded"])
        running = asyncio.create_task(leader.services.run(lambda: None))
        with process(run_command, str(tmp_path / "log"), gateway_arguments(tmp_path, url)) as gateway:
            await eventually(lambda: gateway.exitcode, within=20, holds=lambda code: code == 1)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(go(f"sqlite:///{tmp_path}/store.db"))
    assert "another process has its beacons" in (tmp_path / "log").read_text()


def test_without_the_database_a_replica_goes_on_and_follows_when_it_is_back(tmp_path: Path) -> None:
    async def go(store: Store) -> None:
        leader = Leader(f"sqlite:///{tmp_path}/store.db", roles=(Role.GATEWAY,))
        leader.want(["hall"])
        running = asyncio.create_task(leader.services.run(lambda: None))
        (number,) = (await eventually(lambda: numbers(leader)))["hall"]
        rename(store, "site_views", "away")
        leader.want(["attic"])
        await asyncio.sleep(1.5)
        assert numbers(leader) == {"hall": [number]}
        rename(store, "away", "site_views")
        await eventually(lambda: numbers(leader), holds=lambda now: now == {"attic": [number]})
        running.cancel()
        await asyncio.wait([running])

    with closing(Store.open(f"sqlite:///{tmp_path}/store.db")) as store:
        asyncio.run(go(store))


def rename(store: Store, table: str, name: str) -> None:
    """Take a table away, or put it back."""
    with store.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_a_database_that_does_not_answer_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://anybody@127.0.0.1:{silent.getsockname()[1]}/any"
        log = tmp_path / "log"
        with process(run_command, str(log), gateway_arguments(tmp_path, url)) as gateway:
            silent.settimeout(20)
            connection, _ = silent.accept()
            began = time.monotonic()
            gateway.terminate()
            gateway.join(10)
            assert gateway.exitcode == 0, log.read_text()
            assert time.monotonic() - began < STOP_WITHIN + 0.5
            connection.close()


def test_a_leader_without_its_lease_publishes_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        url = f"sqlite:///{tmp_path}/store.db"
        old, new = Leader(url, roles=(Role.GATEWAY,)), Leader(url)
        tasks = [asyncio.create_task(leader.services.run(lambda: None)) for leader in (old, new)]
        old.want(["hall"])
        new.want(None)
        await eventually(new.seen, holds=lambda seen: seen.keys() == {"hall"})
        old.leads = False
        new.want(["stairs"])
        await eventually(old.seen, holds=lambda seen: seen.keys() == {"stairs"})
        old.want(["attic"])
        await eventually(new.seen, holds=lambda seen: seen.keys() == {"stairs"})  # each looks in its own time
        await asyncio.sleep(0.5)
        assert new.seen().keys() == {"stairs"}
        old.leads = True  # by a lease of its own: its term begins
        await eventually(new.seen, holds=lambda seen: seen.keys() == {"attic"})
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bot", "-n", SITE], "no service runs in the role bot in this version: there is nothing to start"),
        (
            ["bot", "-n", "a", "-n", "b"],
            "--namespace stands there 2 times, and counts only once: leave one (see --help)",
        ),
        (["gateway"], "say which namespace is the site: --namespace, or DIALPLANE_NAMESPACE"),
        (["gateway", "-n", SITE], "say where the leader's database is: --store-url-file, or DIALPLANE_STORE_URL"),
        (["gateway", "-n", SITE, "--log-level", "LOUD"], "--log-level LOUD: it must be DEBUG, INFO, WARNING or ERROR"),
        (["gateway", "-n", SITE, "--store-url-file", "absent"], "cannot read absent: "),
    ],
)
def test_a_command_line_that_cannot_be_is_one_sentence(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "SERVICES", (beacons(),))
    for name in ("DIALPLANE_STORE_URL", "DIALPLANE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        dialplane(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dialplane: {message}")


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.BOT])
def test_a_role_is_a_command(role: Role, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it has something to run is for the registry to say."""
    has_services = any(role in service.replicas for service in registry.SERVICES)
    with pytest.raises(SystemExit) as ended:
        dialplane([str(role)])
    assert ended.value.code == 2
    assert ("say which namespace" if has_services else f"no service runs in the role {role}") in capsys.readouterr().err


def test_a_database_that_can_never_be_ends_the_process_with_its_reason(tmp_path: Path) -> None:
    arguments = gateway_arguments(tmp_path, f"sqlite:///{tmp_path}/absent/store.db")
    with process(run_command, str(tmp_path / "log"), arguments) as ended:
        ended.join(30)
        assert ended.exitcode == 2
    assert (tmp_path / "log").read_text().splitlines()[-1].endswith("absent/store.db: No such file or directory")
