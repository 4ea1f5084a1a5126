"""A real S3 peer on this machine: OpenStack Swift, which verifies every signature. Others that Python has verify none.

It comes from PyPI, hashes checked, into a folder of the cache; nothing is fetched after the first time. Four programs
of it run on loopback: the proxy, which speaks S3, and those that keep accounts, containers and objects. They keep what
they know of an object in extended attributes of its file: the folder's file system needs them.
"""

import asyncio
import os
import pwd
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import obstore
from obstore.store import S3Store

from testbed import cache
from testbed.ports import LOOPBACK, PortLease, lease
from testbed.process import Child

LOCK = Path(__file__).with_name("swift.lock")
BUCKET: Final = "pictures"
REGION: Final = "us-east-1"
_ACCOUNT: Final = "test"
_USER: Final = "tester"
_PARTS: Final = ("account", "container", "object")
_BACKEND: Final = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
disable_fallocate = true

[pipeline:main]
pipeline = {part}-server

[app:{part}-server]
use = egg:swift#{part}
"""
_PROXY: Final = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}

[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth proxy-server

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:cache]
use = egg:swift#memcache
memcache_servers = {host}:1

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:s3api]
use = egg:swift#s3api
location = {region}
auth_pipeline_check = false

[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{tester} = {secret} .admin

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
"""
_RINGS: Final = """\
import sys
from swift.common.ring import RingBuilder
etc, host, *ports = sys.argv[1:]
for part, port in zip(("account", "container", "object"), map(int, ports)):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": host, "port": port, "device": "disk",
                     "meta": "", "replication_ip": host, "replication_port": port})
    builder.rebalance()
    builder.get_ring().save(f"{etc}/{part}.ring.gz")
"""
_SERVER: Final = "import sys; from swift.common.wsgi import run_wsgi; sys.exit(run_wsgi(sys.argv[1], sys.argv[2]))"


def folder() -> Path:
    """The folder that has Swift's packages."""
    return cache.artefact(f"swift-{sys.version_info.major}.{sys.version_info.minor}", _install)


def _install(target: Path) -> None:
    cache.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--target", str(target), "--requirement", str(LOCK)),
        ],
        label="OpenStack Swift",
        limit_seconds=900,
    )


class ObjectStore:
    """One Swift with one bucket; ``async with`` starts and ends it.

    Args:
        directory: made if missing; what was stored is there again after ``stop`` and ``start``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.secret = secrets.token_hex(16)
        self._lease: PortLease = lease(len(_PARTS) + 1)
        self._ports = {part: self._lease.take() for part in (*_PARTS, "proxy")}
        self._children: dict[str, Child] = {}
        self._env: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Of the bucket, without credentials."""
        return f"s3://{BUCKET}"

    @property
    def endpoint(self) -> str:
        """Where S3 is spoken."""
        return f"http://{LOOPBACK}:{self._ports['proxy']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs, by the names that obstore and Amazon's own tools read."""
        return {
            "AWS_ACCESS_KEY_ID": f"{_ACCOUNT}:{_USER}",
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    async def start(self, *, limit_seconds: float = 90) -> None:
        """Start, and return when it stores objects.

        Raises:
            StoppedEarlyError: a part of it ended by itself.
            TimeoutError: it is not there in time; it has been stopped.
        """
        self._env = {"PYTHONPATH": str(await asyncio.to_thread(folder)), "PYTHONWARNINGS": "ignore"}
        try:
            async with asyncio.timeout(limit_seconds):
                if not (self.directory / "etc").exists():
                    await self._configure()
                for part in (*_PARTS, "proxy"):
                    await self._begin(part)
                await self._make_bucket()
        except BaseException:
            await self.stop()
            raise

    async def go_away(self) -> None:
        """End the part that clients speak to: nothing answers at its port."""
        await self._children.pop("proxy").stop(limit_seconds=0)

    async def come_back(self, *, limit_seconds: float = 60) -> None:
        """Begin that part again, and return when it stores objects; what was stored before is there."""
        async with asyncio.timeout(limit_seconds):
            await self._begin("proxy")
            await self._make_bucket()

    async def stop(self) -> None:
        """End it; what it stored stays."""
        children, self._children = self._children, {}
        await asyncio.gather(*(child.stop(limit_seconds=0) for child in children.values()))

    async def close(self) -> None:
        """Stop for good: the ports are given back."""
        await self.stop()
        self._lease.release()

    def _conf(self, part: str) -> Path:
        return self.directory / "etc" / f"{part}-server.conf"

    async def _begin(self, part: str) -> None:
        argv = [sys.executable, "-c", _SERVER, str(self._conf(part)), f"{part}-server"]
        log = self.directory / f"{part}.log"
        self._children[part] = await Child.start(f"swift {part}", argv, output=log, env=self._env)

    async def _configure(self) -> None:
        etc = self.directory / "etc"
        (self.directory / "devices" / "disk").mkdir(parents=True, exist_ok=True)
        etc.mkdir()
        ring = [LOOPBACK, *(str(self._ports[part]) for part in _PARTS)]
        argv = [sys.executable, "-c", _RINGS, str(etc), *ring]
        child = await Child.start("swift rings", argv, output=self.directory / "rings.log", env=self._env)
        if code := await child.wait(60):
            raise cache.BuildError(f"the rings of Swift: ended with {code}\n{child.tail()}")
        words = f"swift_hash_path_suffix = {secrets.token_hex(8)}\nswift_hash_path_prefix = {secrets.token_hex(8)}\n"
        (etc / "swift.conf").write_text(f"[swift-hash]\n{words}[storage-policy:0]\nname = one\ndefault = yes\n")
        common = {"host": LOOPBACK, "etc": etc, "user": _own_name(), "devices": self.directory / "devices"}
        for part in _PARTS:
            self._conf(part).write_text(_BACKEND.format(part=part, port=self._ports[part], **common))
        self._conf("proxy").write_text(
            _PROXY.format(
                port=self._ports["proxy"],
                region=REGION,
                account=_ACCOUNT,
                tester=_USER,
                secret=self.secret,
                **common,
            )
        )

    async def _make_bucket(self) -> None:
        """Make the bucket, as soon as all parts answer; it is no error that it is there."""
        signing = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=f"{_ACCOUNT}:{_USER}",
            secret_access_key=self.secret,
            client_options={"allow_http": True},
        )
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                for child in self._children.values():
                    child.check()
                url = await obstore.sign_async(signing, "PUT", "", timedelta(minutes=5))
                try:
                    answer = await client.put(url)
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code in {httpx.codes.OK, httpx.codes.CONFLICT}:
                    return
                await asyncio.sleep(0.1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
