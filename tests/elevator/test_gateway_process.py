"""`dialplane gateway` as a process: over TLS, with what a leader published, until SIGTERM."""

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from dialplane.api import certificate
from dialplane.api.certificate import BadCertificate, Certificate
from dialplane.cli.device_options import device_sockets
from dialplane.cli.errors import Unusable
from dialplane.services.elevator.tables import sessions
from dialplane.store import Store, site_views
from testbed.certificates import Authority, Pair
from tests import forks
from tests.elevator.gateways import SITE, beat, closed, gateway, say, token, view
from tests.eventually import eventually


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("devices.example.com")


def files(folder: Path, pair: Pair) -> tuple[Path, Path]:
    for name, text in pair.secret.items():
        (folder / name).write_text(text)
    return folder / "tls.crt", folder / "tls.key"


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.certificate)


def publish(store: Store, desired: Any) -> None:
    term = site_views.begin_term(store, SITE, "elevator")
    site_views.publish(store, SITE, "elevator", term, desired)


@contextmanager
def gateway_process(store_url: str, folder: Path, *options: str) -> Iterator[BaseProcess]:
    (folder / "url").write_text(store_url)
    command = ["gateway", "-n", SITE, "--store-url-file", str(folder / "url"), "--metrics-address", ""]
    with (folder / "output").open("ab") as output, Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        started = forks.start([*command, "--listen", "127.0.0.1:0", "--log-level", "DEBUG", *options], streams)
    try:
        yield started
    finally:
        started.kill()
        started.join()


def has_epoch(store: Store, epoch: int) -> bool:
    return [each.epoch for each in sessions.changed(store, SITE, None)] == [epoch]


def listens(store: Store) -> str | None:
    """Where a gateway says that it listens."""
    states = site_views.replicas(store, SITE, {}, ["elevator"]).states.values()
    return next((each.state["listens"] for some in states for each in some if each.subject == "gateway"), None)


async def device(store: Store, authority: Authority, name: str = "lift-1", **options: Any) -> ClientConnection:
    address = await eventually(lambda: listens(store), holds=lambda found: found is not None)
    url = f"wss://{address}/ws?device_id={name}&token={token(name)}"
    return await connect(url, ssl=trusting(authority), proxy=None, **options)


async def test_a_gateway_serves_over_tls_what_the_leader_published_until_it_is_stopped(
    store: Store, store_url: str, tmp_path: Path, authority: Authority
) -> None:
    publish(store, view("lift-1"))
    shown, key = files(tmp_path, authority.vouch("IP:127.0.0.1"))
    tls = ("--tls-certificate", str(shown), "--tls-key", str(key))
    for epoch in (1, 2):
        with gateway_process(store_url, tmp_path, *tls) as running:
            lift = await device(store, authority)
            await beat(lift)
            await say(lift, "log", payload="here")
            await eventually(partial(has_epoch, store, epoch))
            os.kill(running.pid or 0, signal.SIGTERM)
            assert await closed(lift) == 1012
            running.join(10)
            assert running.exitcode == 0
        found = sessions.get(store, SITE, ["lift-1"])["lift-1"]
        assert found.closed_at is not None
        assert found.closed_at - found.seen_at < timedelta(seconds=5)
        assert listens(store) is None
    output = (tmp_path / "output").read_text()
    assert "devices may connect" in output
    assert token("lift-1") not in output
    assert "Traceback" not in output


async def test_a_renewed_certificate_is_shown_without_a_restart(
    store: Store, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "LOOK_SECONDS", 0.05)
    shown, key = files(tmp_path, authority.vouch("IP:127.0.0.1"))
    renewed = authority.vouch("IP:127.0.0.1")
    async with gateway(store, view("lift-1"), certificate=shown, key=key) as running:
        url = f"wss://127.0.0.1:{await running.port}/ws?device_id=lift-1&token={token('lift-1')}"
        key.write_text("half of a pair")

        async def serial() -> str:
            async with connect(url, ssl=trusting(authority), proxy=None) as lift:
                await beat(lift)
                found = lift.transport.get_extra_info("ssl_object").getpeercert()
            return str(found["serialNumber"])

        first = await serial()
        files(tmp_path, renewed)

        last: str = await eventually(serial, holds=lambda found: found != first)
        assert last != first


@pytest.mark.parametrize(
    ("listen", "with_certificate", "with_key", "message"),
    [
        ("8090", False, False, "--listen 8090: it must be HOST:PORT, or :PORT for all addresses"),
        (":x", False, False, "--listen :x: it must be HOST:PORT, or :PORT for all addresses"),
        (":70000", False, False, "--listen :70000: it must be HOST:PORT, or :PORT for all addresses"),
        (":8090", True, False, "give --tls-certificate and --tls-key together: the one is the other's"),
        (":8090", True, True, "cannot read {folder}/tls.crt: No such file or directory"),
    ],
)
def test_a_listener_that_cannot_be_is_one_sentence(
    tmp_path: Path, listen: str, with_certificate: bool, with_key: bool, message: str
) -> None:
    certificate_file = tmp_path / "tls.crt" if with_certificate else None
    key = tmp_path / "tls.key" if with_key else None
    with pytest.raises(Unusable) as refused:
        device_sockets("--listen", listen, certificate_file, key, ())
    assert str(refused.value) == message.format(folder=tmp_path)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    files(tmp_path, Pair(authority.vouch("IP:127.0.0.1").certificate, authority.vouch("IP:127.0.0.1").key))
    with pytest.raises(BadCertificate, match="no certificate with its key, both PEM"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
