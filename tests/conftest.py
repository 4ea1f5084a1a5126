"""What all tests share: the databases, an API server, and which tests need real parts.

A test is `real` that needs a program beside Python: Asterisk, SIPp, a Kubernetes API server, PostgreSQL. Which tests those
are follows from the fixtures they ask for and from what their modules import; nobody marks them by hand.
"""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest import FixtureRequest, TempPathFactory  # noqa: PT013 -- the types' only public place

from dialplane.store import Store
from testbed import fork
from testbed.kube.namespace import OPERATOR, install_crds
from testbed.kube.server import ApiServer
from testbed.postgres import Postgres
from tests.databases import EACH_DATABASE, POSTGRESQL, SQLITE
from tests.groups import put_together
from tests.parts import needs_parts

STORE_TESTS = Path(__file__).parent / "store"
LONGEST_ID = 120
LIMITED = "limited"
"""A user of the API server who may nothing until a test grants it."""
GO_MEMORY = "200"
"""How many percent a program in Go lets its memory grow before it collects: processor time is what is scarce here."""


def pytest_configure() -> None:
    """Set how children start: with SIGINT's default, however the tests were started, and the product as a fork.

    Where the shell started the tests in the background, SIGINT is ignored: no child could be interrupted.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("GOGC", GO_MEMORY)
    fork.is_on = True
    fork.PRELOADED.append("tests.preloaded")


@pytest.fixture(scope="session")
def api_server() -> Iterator[Callable[[], ApiServer]]:
    """An API server with our kinds, one for all tests of a worker, started when first asked for: one door works without.

    Each site has a namespace of its own. Who takes kinds away, or stops the server, puts things right again.
    """
    running: list[ApiServer] = []

    def get() -> ApiServer:
        if not running:
            running.append(ApiServer([OPERATOR, LIMITED]))
            running[0].start()
            install_crds(running[0])
        return running[0]

    yield get
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def server(api_server: Callable[[], ApiServer]) -> ApiServer:
    return api_server()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: TempPathFactory) -> AsyncIterator[Postgres]:
    async with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    url = await postgres.database()
    yield url
    await postgres.drop(url)


@pytest.fixture
def store_url(request: FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: SQLite, but where the database decides (`tests.databases`)."""
    if getattr(request, "param", SQLITE) == SQLITE:
        return f"sqlite:///{tmp_path}/store.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def made_tables(tmp_path_factory: TempPathFactory) -> Path:
    """A database of SQLite with all its tables: a copy of it takes a twentieth of what the migrations take."""
    path = tmp_path_factory.mktemp("tables") / "store.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(store_url: str, made_tables: Path) -> Iterator[Store]:
    if store_url.startswith(SQLITE):
        shutil.copy(made_tables, store_url.removeprefix("sqlite:///"))
    opened = Store.open(store_url)
    yield opened
    opened.close()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long text by its length: ids go between processes and into every report, and one was 16 MiB."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > LONGEST_ID else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each database where its database decides."""
    decides = metafunc.definition.get_closest_marker("databases") or STORE_TESTS in metafunc.definition.path.parents
    named = any("store_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "store_url" in metafunc.fixturenames and decides and not named:
        metafunc.parametrize("store_url", EACH_DATABASE, indirect=True)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        on_postgres = POSTGRESQL in getattr(getattr(item, "callspec", None), "params", {}).values()
        if on_postgres:
            item.add_marker(pytest.mark.xdist_group("postgres"))
        if on_postgres or needs_parts(item):
            item.add_marker(pytest.mark.real)
    put_together(items)
