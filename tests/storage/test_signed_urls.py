import string
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from dialplane.storage.signed_urls import EXPIRES, SIGNATURE, expiry, is_signed, sign
from tests.databases import NOW

KEY, OTHER = b"k" * 32, b"o" * 32
NAME = "town-hall-1/2026/04/03/083000-0123456789abcdef0123.jpg"
UNTIL = NOW + timedelta(hours=1)


def query(key: bytes = KEY, name: str = NAME, until: datetime = UNTIL) -> tuple[str, str]:
    fields = parse_qs(sign(key, name, until))
    return fields[EXPIRES][0], fields[SIGNATURE][0]


def test_an_address_is_good_until_it_expires() -> None:
    assert is_signed(KEY, NAME, *query(), now=NOW)
    assert is_signed(KEY, NAME, *query(), now=UNTIL - timedelta(seconds=1))
    assert not is_signed(KEY, NAME, *query(), now=UNTIL)


def test_an_address_is_good_for_its_object_and_key_alone() -> None:
    expires, signature = query()
    assert not is_signed(OTHER, NAME, expires, signature, NOW)
    assert not is_signed(KEY, NAME.replace("-1/", "-2/"), expires, signature, NOW)
    assert not is_signed(KEY, NAME, str(int(expires) + 1), signature, NOW)
    assert not is_signed(KEY, NAME, expires, query(OTHER)[1], NOW)


@given(expires=st.text(string.digits + "-٣ ", max_size=30), signature=st.text(max_size=70))
def test_junk_is_no_signature(expires: str, signature: str) -> None:
    assert not is_signed(KEY, NAME, expires, signature, NOW)


@given(st.integers(0, 10**6))
def test_addresses_of_one_moment_are_the_same_and_live_long_enough(seconds: int) -> None:
    now, lifetime, step = datetime.fromtimestamp(seconds, UTC), timedelta(days=1), timedelta(minutes=10)
    until = expiry(now, lifetime, step)
    assert lifetime < until - now <= lifetime + step
    assert until == expiry(now - timedelta(seconds=seconds % 600), lifetime, step)
