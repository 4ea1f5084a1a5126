"""What the platform's answers mean."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.infinity.provider import ANSWER_LIMIT, Kind, judged


def said(ret: Any = 200, data: Any = None, msg: Any = "") -> bytes:
    return json.dumps({"ret": ret, "data": {"status": 0, "desc": "ok"} if data is None else data, "msg": msg}).encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (said(), "accepted"),
        (said(ret="200"), "accepted"),
        (said(data={"status": "0"}), "accepted"),
        (said(data={"status": 0, "desc": None}), "accepted"),
        (said(ret=400, data=[]), "refused"),
        (said(ret=500, data={}, msg=["?"]), "refused"),
        (said(data={"status": 1}), "refused"),
        (said(data={"status": -1, "desc": "x" * 10_000}), "refused"),
        (said(data={}), "lost"),
        (said(data=[]), "lost"),
        (said(ret=True), "lost"),
        (said(ret=200.5), "lost"),
        (said(data={"status": False}), "lost"),
        (b"", "lost"),
        (b"[]", "lost"),
        (b"null", "lost"),
        (b"[" * ANSWER_LIMIT, "lost"),
        (b'{"ret": "' + b"2" * 6000 + b'"}', "lost"),
        (b"\xff\xfe", "lost"),
        (None, "lost"),
    ],
)
def test_an_answer_means_what_the_documentation_says(body: bytes | None, kind: Kind) -> None:
    found, words = judged(body)
    assert found == kind
    assert 0 < len(words) < 300
    assert words.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ret", "data", "status"]), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_judged(body: bytes) -> None:
    kind, words = judged(body)
    assert kind in {"accepted", "refused", "lost"}
    assert words.isprintable()
    if kind == "accepted":
        found = json.loads(body)
        assert (int(found["ret"]), int(found["data"]["status"])) == (200, 0)
