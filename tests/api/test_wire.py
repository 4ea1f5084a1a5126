"""The HTTP API as its callers know it: no path, field or reason changes unseen.

After a change that is meant: `python -m tests.api.test_wire`, and read the difference.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from dialplane.api.application import application, schema
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens
from dialplane.services.registry import mounts, scopes
from dialplane.store import Store

KEPT = Path(__file__).with_name("openapi.json")


def described(store: Store) -> str:
    """Return the OpenAPI document, in a fixed order."""
    app = application(Api(store, "office", Tokens(Path("nowhere"), scopes()), mounts()))
    document = schema(app)
    del document["info"]["version"]
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_the_api_is_what_its_callers_know(store: Store) -> None:
    assert described(store) == KEPT.read_text(encoding="utf-8")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        KEPT.write_text(described(Store.open(f"sqlite:///{folder}/store.db")), encoding="utf-8")
