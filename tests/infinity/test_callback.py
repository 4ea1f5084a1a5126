"""Who proves to be a tenant's platform, and what it tells: pure."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dialplane.services.infinity import call_record, callback
from dialplane.services.infinity.call_record import Malformed, told
from dialplane.services.infinity.callback import CallbackRefused, proven
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tenant import Tenant
from tests.api.infinity_site import SECRETS, record, signed, tenant, text
from tests.databases import NOW

CALL = Call(
    seq=1, id="call-0123456789abcdef0123", site="office", tenant="acme", number="0801", agent="ada",
    callback_number="+15550101", destination="+15550111", caller_number=None, case_id=None, custom={}, campaign=None,
    token="tests", request_key="1", state="dialing", deadline=None, dial_seconds=60, call_seconds=7200,
    answer_lost=False, rung="maybe", outcome=None, reason=None, reserved_at=NOW, dialing_at=NOW, answered_at=None,
    released_at=None, record=None, record_at=None, provider_uuid=None, ring_seconds=None, talk_seconds=None,
    hangup_cause=None, recording=None,
)  # fmt: skip
AT = NOW.timestamp()
HERE = "192.0.2.7"


def networks(*allowed: str, **changes: Any) -> Tenant:
    told = {"secretRef": {"name": "acme", "key": "callback"}, "allowedNetworks": list(allowed), **changes}
    return tenant("acme", callback=told)


def refusal(tenants: list[Tenant], headers: dict[str, str], body: bytes, address: str | None = HERE) -> HTTPStatus:
    with pytest.raises(CallbackRefused) as caught:
        proven(tenants, headers, body, address, NOW)
    assert not any(secret in str(caught.value) for secret in SECRETS.values())
    return caught.value.status


@given(st.binary(max_size=200))
def test_any_body_is_proven_by_its_own_signature_alone(body: bytes) -> None:
    one = tenant("acme")
    assert proven([one], signed(body, AT), body, HERE, NOW) == (one,)
    assert refusal([one], signed(body, AT), body + b"x") == HTTPStatus.UNAUTHORIZED
    assert refusal([one], signed(b"x" + body, AT), body) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**10, False)]
)
def test_a_signature_is_good_for_five_minutes(seconds: int, fresh: bool) -> None:
    headers = signed(b"{}", AT + seconds)
    if fresh:
        assert proven([tenant("acme")], headers, b"{}", HERE, NOW)
    else:
        assert refusal([tenant("acme")], headers, b"{}") == HTTPStatus.UNAUTHORIZED


def test_the_time_is_part_of_what_is_signed() -> None:
    headers = signed(b"{}", AT - 1000) | {"X-Timestamp": str(int(AT))}
    assert refusal([tenant("acme")], headers, b"{}") == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("stamp", ["", "x", "-1", "1e9", "²", "9" * 13, " 1", "1.5"])
def test_a_time_that_is_none_proves_nothing(stamp: str) -> None:
    headers = signed(b"{}", AT) | {"X-Timestamp": stamp}
    assert refusal([tenant("acme")], headers, b"{}") == HTTPStatus.UNAUTHORIZED


def test_tenants_that_share_a_secret_are_all_proven() -> None:
    other = replace(
        tenant("globex", callback={"secretRef": {"name": "x", "key": "y"}}),
        callback_secret=tenant("acme").callback_secret,
    )
    both = [tenant("acme"), other]
    assert proven(both, signed(b"{}", AT), b"{}", HERE, NOW) == tuple(both)


def test_a_secret_that_is_missing_or_short_proves_nothing() -> None:
    short = replace(tenant("acme"), callback_secret=SecretStr("fifteen-letters"))
    missing = replace(tenant("acme"), callback_secret=None)
    assert refusal([short], signed(b"{}", AT, "fifteen-letters"), b"{}") == HTTPStatus.UNAUTHORIZED
    assert refusal([missing], signed(b"{}", AT, ""), b"{}") == HTTPStatus.UNAUTHORIZED
    shared = replace(tenant("globex"), callback_secret=SecretStr(""))
    assert refusal([shared], {"X-Callback-Secret": ""}, b"{}", "127.0.0.1") == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("allowed", "address", "heard"),
    [
        ((), HERE, True),
        ((), None, True),
        (("192.0.2.0/24",), HERE, True),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
        (("192.0.2.0/24",), "192.0.3.7", False),
        (("192.0.2.0/24",), None, False),
        (("192.0.2.0/24",), "testclient", False),
        (("192.0.2.0/24",), "192.0.2.7, 198.51.100.1", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "192.0.2.7", False),
        (("198.51.100.1/32", "192.0.2.0/24"), HERE, True),
    ],
)
def test_a_callback_comes_from_the_networks_that_are_allowed(
    allowed: tuple[str, ...], address: str | None, heard: bool
) -> None:
    one = networks(*allowed)
    assert callback.heard([one], address) == heard
    if heard:
        assert proven([one], signed(b"{}", AT), b"{}", address, NOW) == (one,)
    else:
        assert refusal([one], signed(b"{}", AT), b"{}", address) == HTTPStatus.FORBIDDEN


def test_without_a_tenant_that_is_told_nobody_is_heard() -> None:
    assert not callback.heard([], HERE)
    assert not callback.heard([tenant("acme", callback=None)], HERE)


def body(**changes: Any) -> bytes:
    return text(record(CALL, **changes))


def test_numbers_come_as_numbers_or_text() -> None:
    said = told(body(billsec=" 122 ", duration="", hangupcause="16", companycode=1001, destnumber=15550111))
    assert (said.talk_seconds, said.ring_seconds, said.hangup_cause) == (122, None, 16)
    assert (said.supplier_id, said.destination) == ("1001", "15550111")
    assert call_record.strange(said, CALL, [tenant("acme")]) is None


def test_a_number_that_lost_its_zeros_as_a_json_number_is_the_same() -> None:
    assert call_record.strange(told(body(extnumber=801)), CALL, [tenant("acme")]) is None
    assert call_record.strange(told(body(extnumber="00801")), CALL, [tenant("acme")])


def test_nothing_but_the_ids_is_needed() -> None:
    said = told(text({"memberid": CALL.id, "extnumber": "0801", "destnumber": "+15550111"}))
    assert (said.event, said.answered, said.recording, said.uuid) == ("ended", False, None, None)
    assert call_record.strange(said, CALL, [tenant("acme")]) is None


@pytest.mark.parametrize(
    ("changes", "answered"),
    [
        ({}, True),
        ({"answertime": "", "billsec": 0}, False),
        ({"answertime": None, "billsec": None}, False),
        ({"answertime": "0000-00-00 00:00:00", "billsec": "0"}, False),
        ({"answertime": "", "billsec": 3}, True),
        ({"event": "answered", "answertime": "", "billsec": ""}, True),
    ],
    ids=str,
)
def test_whether_somebody_answered(changes: dict[str, Any], answered: bool) -> None:
    said = told(body(**changes))
    assert said.answered == answered
    change = call_record.change(said, CALL, NOW + timedelta(hours=1))
    assert change.record is not None
    assert (change.record.answered_at is not None) == answered


@pytest.mark.parametrize(
    ("changes", "now", "answered_at"),
    [
        ({}, NOW + timedelta(hours=9), NOW + timedelta(seconds=18)),
        ({}, NOW + timedelta(seconds=5), NOW + timedelta(seconds=5)),
        ({"starttime": ""}, NOW + timedelta(hours=9), NOW + timedelta(seconds=18)),
        ({"starttime": "2018-03-14 12:18:40"}, NOW + timedelta(hours=9), NOW),
        ({"starttime": "1999-03-14 12:18:40"}, NOW + timedelta(hours=9), NOW),
        ({"event": "answered"}, NOW + timedelta(seconds=7), NOW + timedelta(seconds=7)),
    ],
    ids=str,
)
def test_the_platforms_clock_is_not_believed(changes: dict[str, Any], now: datetime, answered_at: datetime) -> None:
    change = call_record.change(told(body(**changes)), CALL, now)
    assert change.record is not None
    assert change.record.answered_at == answered_at


@pytest.mark.parametrize(
    ("changes", "recording"),
    [
        ({}, "recordings.example.com/4711.wav"),
        ({"recordurl": "https://recordings.example.com/1.wav"}, "https://recordings.example.com/1.wav"),
        ({"recordfilename": "https://recordings.example.com/2.wav"}, "https://recordings.example.com/2.wav"),
        ({"recordfilename": "/a/3.wav"}, "recordings.example.com/a/3.wav"),
        ({"recordfilename": ""}, None),
        ({"downloadip": ""}, "4711.wav"),
    ],
    ids=str,
)
def test_where_the_recording_is(changes: dict[str, Any], recording: str | None) -> None:
    assert told(body(**changes)).recording == recording


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*record(CALL), "event", "recordurl", "tenant_id", "odd"]), JSON))
def test_any_record_is_read_or_refused(changes: dict[str, Any]) -> None:
    with suppress(Malformed):
        said = told(json.dumps({**record(CALL), **changes}).encode())
        json.dumps(said.body, ensure_ascii=False, allow_nan=False).encode()
        call_record.change(said, CALL, NOW)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    with suppress(Malformed):
        assert told(sent).body is not None
