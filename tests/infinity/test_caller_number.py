from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.services.infinity.caller_number import belongs, choose
from tests.infinity.tenants import tenant

NUMBERS = st.lists(st.integers(0, 9999).map(lambda number: f"+1555{number:04}"), min_size=1, max_size=20, unique=True)
CUSTOMERS = st.integers(0, 9999).map(lambda number: f"+1556{number:04}")
MANY = [f"+1556{number:04}" for number in range(1000)]


def spec(numbers: list[str], strategy: str, default: str | None = None) -> InfinityTenantSpec:
    given_default = {"defaultCallerNumber": default} if default else {}
    return tenant(callerNumbers=numbers, callerNumberStrategy=strategy, **given_default).spec


@settings(deadline=None)
@given(NUMBERS, st.integers(0, 10_000))
def test_round_robin_shows_each_number_once_in_a_round(numbers: list[str], turn: int) -> None:
    made = spec(numbers, "RoundRobin")
    shown = [choose(made, "+15560000", turn + step) for step in range(len(numbers))]
    assert sorted(map(str, shown)) == sorted(numbers)


@settings(deadline=None)
@given(NUMBERS, CUSTOMERS, st.integers(0, 50), st.integers(0, 50))
def test_a_customer_sees_the_same_number_whatever_happened_before(
    numbers: list[str], customer: str, turn: int, another: int
) -> None:
    made, reordered = spec(numbers, "StickyPerCustomer"), spec(numbers[::-1], "StickyPerCustomer")
    assert choose(made, customer, turn) == choose(reordered, customer, another)
    assert choose(made, customer, turn) in numbers


@settings(deadline=None)
@given(NUMBERS, CUSTOMERS, st.data())
def test_a_number_that_goes_changes_what_only_its_own_customers_see(
    numbers: list[str], customer: str, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(numbers))
    left = [number for number in numbers if number != gone]
    before = choose(spec(numbers, "StickyPerCustomer"), customer, 0)
    after = choose(spec(left, "StickyPerCustomer", "+15550100"), customer, 0)
    assert before in {after, gone}


def test_a_customers_number_is_the_same_in_every_release() -> None:
    made = spec(["+15550101", "+15550102", "+15550103"], "StickyPerCustomer")
    assert [choose(made, customer, 0) for customer in MANY[:4]] == [
        "+15550102",
        "+15550102",
        "+15550102",
        "+15550103",
    ]


def test_sticky_numbers_share_the_customers() -> None:
    numbers = ["+15550101", "+15550102", "+15550103", "+15550104"]
    made = spec(numbers, "StickyPerCustomer")
    shown = Counter(choose(made, customer, 0) for customer in MANY)
    assert set(shown) == set(numbers)
    assert min(shown.values()) > 200


@settings(deadline=None)
@given(NUMBERS, CUSTOMERS, st.integers(0, 50))
def test_default_shows_the_default(numbers: list[str], customer: str, turn: int) -> None:
    assert choose(spec(numbers, "Default", "+15550100"), customer, turn) == "+15550100"


def test_without_numbers_the_default_is_shown_or_the_platform_chooses() -> None:
    for strategy in ("RoundRobin", "StickyPerCustomer"):
        assert choose(spec([], strategy, "+15550100"), "+15560000", 0) == "+15550100"
        assert choose(spec([], strategy), "+15560000", 0) is None


def test_only_a_number_of_the_tenant_may_be_shown() -> None:
    made = spec(["+15550101"], "RoundRobin", "+15550100")
    assert belongs(made, "+15550101")
    assert belongs(made, "+15550100")
    assert not belongs(made, "+15550102")
