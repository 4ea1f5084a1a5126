"""Requests that nobody in his senses makes: each is answered, and none is a fault of ours."""

import json
import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.api.application import application, schema
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens
from dialplane.services.registry import mounts, scopes
from dialplane.store import Store
from tests.api.test_api import HEADERS, SITE, TOKEN
from tests.api.texts import Texts

ODD = ["\x00", "\x10", "\ud800", "😀", "null", "-1", "9" * 30, "1e999", "0001-01-01T00:00:00+14:00", "%", "[", "in-"]
TEXT = st.one_of(st.sampled_from(ODD), st.text(max_size=40), st.integers().map(str), st.datetimes().map(str))
ID = st.one_of(
    st.sampled_from(["in-", "out-", ""]).flatmap(lambda p: st.from_regex(f"{p}[0-9a-f]{{32}}", fullmatch=True))
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
SERVED_ELSEWHERE = re.compile("/bots/|/infinity/|/devices|/api/send")
"""Paths of services that do not run here."""
GOOD = {"dongle": "gsm1", "dongleGroup": "all", "to": "+15550100", "text": "x", "validityMinutes": 5}


@pytest.fixture
def app(store: Store, tmp_path: Any) -> Any:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "tests").write_text(TOKEN)
    return application(
        Api(
            store,
            SITE,
            Tokens(tmp_path / "tokens", scopes()),
            mounts(),
            {"sms": Texts(store, SITE, {"gsm1": "all"}, gsm1="people")},
        )
    )


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_any_request_is_answered_and_none_is_a_fault_of_ours(app: Any, data: st.DataObject) -> None:
    described = schema(app)["paths"]
    path = data.draw(st.sampled_from([path for path in sorted(described) if not SERVED_ELSEWHERE.search(path)]))
    method = data.draw(st.sampled_from(sorted(described[path])))
    asked = [p for p in described[path][method].get("parameters", ()) if p["in"] == "query"]
    params = {p["name"]: data.draw(TEXT) for p in asked if data.draw(st.booleans())}
    query = httpx.QueryParams({name: re.sub("[\ud800-\udfff]", "\ufffd", value) for name, value in params.items()})
    headers = {**HEADERS, "Content-Type": "application/json"}
    if data.draw(st.booleans()):
        headers["Idempotency-Key"] = data.draw(
            st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=200)
        )
    body = data.draw(
        st.one_of(JSON, st.fixed_dictionaries({}, optional={k: st.one_of(st.just(v), JSON) for k, v in GOOD.items()}))
    )
    url = path.replace("{id}", data.draw(ID))
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers={k: v.encode("latin-1") for k, v in headers.items()}
    ) as client:
        answer = await client.request(method, url, params=query, content=json.dumps(body) if method == "post" else None)
    assert answer.status_code < 500, (method, url, params, body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
