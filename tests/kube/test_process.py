"""The operator as a process: signals, the lease between two of them, probes, and what kubectl shows."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed import ports
from testbed.fork import start
from tests.kube.conftest import LIMITED, OPERATOR, Site

TRIVIAL = "tests.kube.trivial:main"


class Process:
    """One operator; its log is its standard error."""

    def __init__(self, site: Site, directory: Path, *arguments: str) -> None:
        self.log_file = directory / f"log-{time.monotonic_ns()}"
        kubeconfig = site.server.kubeconfig(OPERATOR, namespace=site.namespace)
        self.log_file.touch()
        words, env = (site.namespace, *arguments), {"KUBECONFIG": str(kubeconfig)}
        self.process = start(TRIVIAL, words, output=self.log_file, env=env, cwd=directory)

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def code(self) -> int | None:
        return self.process.exitcode

    def send(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)

    def wait(self, seconds: float = 20) -> int | None:
        self.process.join(seconds)
        return self.code

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def until(self, text: str, seconds: float = 20.0) -> float:
        """Wait for it in the log; return how long that took."""
        started = time.monotonic()
        while text not in self.log:
            assert self.code is None, self.log
            assert time.monotonic() - started < seconds, self.log
            time.sleep(0.02)
        return time.monotonic() - started

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> tuple[int | None, float]:
        """Its exit code, and how long it took to end."""
        started = time.monotonic()
        self.send(sig)
        return self.wait(), time.monotonic() - started


Launch = Callable[..., Process]


@pytest.fixture
def launch(site: Site, tmp_path: Path) -> Iterator[Launch]:
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        started.append(Process(site, tmp_path, *arguments))
        return started[-1]

    yield start
    for process in started:
        if process.code is None:
            process.send(signal.SIGKILL)
            process.wait()


def ends_at_once(process: Process, sig: signal.Signals) -> None:
    code, seconds = process.stop(sig)
    assert code == 0
    assert seconds < 2.0, process.log  # about 0.5 on a machine with nothing else to do
    assert "Traceback" not in process.log


def test_ctrl_c_ends_everything_at_once_with_code_0(launch: Launch) -> None:
    with ports.lease(1) as lease:
        process = launch("--listen", f"127.0.0.1:{lease.take()}")
        process.until("round=1")
        ends_at_once(process, signal.SIGINT)


def test_sigterm_at_any_moment_of_the_start_ends_it_at_once_with_code_0(site: Site, launch: Launch) -> None:
    """Of five that compete for the lease; `test_handlers` asks it of more moments. Before its first word none began."""
    for number in range(101, 121):
        site.extension(f"ext-{number}", str(number))
    processes = [launch() for _ in range(5)]
    for seconds, process in zip((0.0, 0.05, 0.15, 0.4, 1.0), processes, strict=True):
        process.until("operator_starting", 60)
        time.sleep(seconds)
        ends_at_once(process, signal.SIGTERM)


def test_a_signal_while_the_lease_is_waited_for_ends_the_process_too(launch: Launch) -> None:
    launch().until("round=1")
    waiting = launch()
    waiting.until("lease_waiting")
    assert waiting.stop()[0] == 0


def test_a_stopped_leader_hands_over_at_once(launch: Launch) -> None:
    first = launch()
    first.until("round=1")
    second = launch()
    second.until("lease_waiting")
    first.stop()
    assert second.until("round=1") < 5.0


def test_a_killed_leader_is_replaced_when_its_lease_has_run_out(launch: Launch) -> None:
    """The 15 seconds of the usual lease are in tests/system/test_kube_leadership.py."""
    first = launch("--lease-seconds", "3")
    first.until("round=1")
    second = launch("--lease-seconds", "3")
    second.until("lease_waiting")
    first.stop(signal.SIGKILL)
    assert second.until("round=1") < 8.0


def test_a_leader_that_froze_writes_nothing_when_it_wakes(site: Site, launch: Launch) -> None:
    site.extension("ann")
    first = launch("--lease-seconds", "3")
    first.until("round=1")
    second = launch("--lease-seconds", "3")
    second.until("lease_waiting")
    first.send(signal.SIGSTOP)
    second.until("round=1")
    site.patch("Extension", "ann", {"spec": {"number": "102"}})
    second.until("round=2")
    time.sleep(0.5)
    patches = site.status_patches()
    first.send(signal.SIGCONT)
    first.until("lease_lost")
    time.sleep(1.0)
    assert site.status_patches() == patches
    assert first.code is None  # it waits warm for its next term
    second.stop()
    started = time.monotonic()
    while first.log.count("lease_acquired") < 2:
        assert time.monotonic() - started < 5.0
        time.sleep(0.05)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- http on loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_probes_and_metrics_until_sigterm(site: Site, launch: Launch) -> None:
    site.secret("ann-sip", username="101", password="hunter2")
    site.extension("ann")
    with ports.lease(1) as lease:
        port = lease.take()
        process = launch("--listen", f"127.0.0.1:{port}")
        process.until("round=1")
        assert get(f"http://127.0.0.1:{port}/healthz") == (200, "ok")
        assert get(f"http://127.0.0.1:{port}/readyz") == (200, "ok")
        _, text = get(f"http://127.0.0.1:{port}/metrics")
        ends_at_once(process, signal.SIGTERM)
    assert 'dialplane_inventory_objects{kind="Extension"} 1.0' in text
    assert 'dialplane_status_writes_total{kind="Extension",result="written"} 1.0' in text
    assert "dialplane_leader 1.0" in text
    for word in ("hunter2", "ann"):
        assert not re.search(rf"\b{word}\b", text)
    assert "hunter2" not in process.log


def test_an_address_in_use_is_one_clear_message(site: Site, launch: Launch) -> None:
    address = site.server.url.removeprefix("https://")
    process = launch("--listen", address)
    assert process.wait() == 1
    assert f"cannot listen on '{address}'" in process.log
    assert "Traceback" not in process.log


def test_no_cluster_is_one_clear_message(tmp_path: Path) -> None:
    log, env = tmp_path / "log", {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    process = start(TRIVIAL, ["site"], output=log, env=env, cwd=tmp_path)
    process.join(30)
    assert process.exitcode == 1
    assert "no Kubernetes cluster to connect to" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_command_runs_the_real_site_loop(site: Site, tmp_path: Path) -> None:
    """No Asterisk in the site: the resources say so, the process stays, and readiness does not wait for one."""
    site.extension("ann")
    kubeconfig = site.server.kubeconfig(OPERATOR, namespace=site.namespace)
    log = tmp_path / "log"
    with ports.lease(1) as lease, log.open("w") as out:
        port = lease.take()
        address = f"127.0.0.1:{port}"
        command = [
            sys.executable,
            "-m",
            "dialplane.cli",
            "operator",
            "-n",
            site.namespace,
            "--metrics-address",
            address,
        ]
        popen = subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, stderr=out)
        try:
            deadline = time.monotonic() + 30
            while not site.get("Extension", "ann").get("status"):
                assert popen.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            assert get(f"http://{address}/readyz") == (200, "ok")
            assert 'dialplane_status_writes_total{kind="Extension"' in get(f"http://{address}/metrics")[1]
            popen.terminate()
            assert popen.wait(10) == 0, log.read_text()
        finally:
            popen.kill()
            popen.wait()
    conditions = {c["type"]: c for c in site.get("Extension", "ann")["status"]["conditions"]}
    assert conditions["Ready"]["status"] != "True"


def test_the_command_ends_with_code_1_and_one_message_where_a_right_is_missing(site: Site) -> None:
    config = site.server.kubeconfig(LIMITED, namespace=site.namespace)
    done = subprocess.run(
        [sys.executable, "-m", "dialplane.cli", "operator", "-n", site.namespace, "--metrics-address", ""],
        env={**os.environ, "KUBECONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "missing rights in namespace" in done.stderr
    assert "Traceback" not in done.stderr
