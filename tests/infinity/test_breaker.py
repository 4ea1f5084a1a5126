from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.infinity.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker


def down(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker = breaker.failed(now, 0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    for moment in range(FAILURES):
        assert breaker.admits(moment)
        breaker = breaker.failed(moment, 0)
    assert breaker.open
    assert breaker.failing_since == 0.0
    assert not breaker.admits(FAILURES - 1)


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = Breaker()
    for moment in range(3 * FAILURES):
        breaker = breaker.failed(moment, 0)
        if moment % (FAILURES - 1) == 0:
            breaker = breaker.answered()
    assert not breaker.open


def test_one_call_tries_after_the_pause_and_the_others_wait_for_it() -> None:
    breaker = down()
    assert not breaker.admits(FIRST_PAUSE - 0.01)
    assert breaker.wait(0.5) == FIRST_PAUSE - 0.5
    assert breaker.admits(FIRST_PAUSE)
    breaker, number = breaker.asked()
    assert not breaker.admits(FIRST_PAUSE + 100)
    assert breaker.given_back(number).admits(FIRST_PAUSE + 100)
    assert not breaker.answered().open


def test_pauses_double_up_to_a_limit() -> None:
    breaker, now, pauses = down(), 0.0, list[float]()
    for _ in range(8):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        breaker, number = breaker.asked()
        breaker = breaker.failed(now, number)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert breaker.failing_since == 0.0


def test_calls_of_before_that_fail_late_do_not_make_the_pause_longer() -> None:
    breaker = down()
    for _ in range(50):
        breaker = breaker.failed(1.0, 0)
    assert breaker.wait(0.0) == FIRST_PAUSE
    breaker, number = breaker.asked()
    assert breaker.failed(1.0, 0).trying == number


def test_a_try_of_an_earlier_time_does_not_end_the_present_one() -> None:
    breaker, earlier = down().asked()
    breaker = breaker.answered()
    for _ in range(FAILURES):
        breaker = breaker.failed(100.0, 0)
    breaker, _ = breaker.asked()
    assert not breaker.failed(200.0, earlier).admits(1000.0)
    assert not breaker.given_back(earlier).admits(1000.0)


def test_a_late_answer_closes_it() -> None:
    breaker, _ = down().asked()
    assert not breaker.answered().open


STEPS = st.sampled_from(["ask", "fail", "fail", "fail", "answer", "give back"])


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(0, 9), st.floats(0.0, 40.0)), max_size=200))
def test_while_it_is_open_one_call_at_most_tries(steps: list[tuple[str, int, float]]) -> None:
    breaker, now = Breaker(), 0.0
    under_way: list[int] = []
    since_it_opened: list[int] = []
    in_a_row = 0
    for what, which, passes in steps:
        now += passes
        if what == "ask" and breaker.admits(now):
            breaker, number = breaker.asked()
            under_way.append(number)
            since_it_opened += [number] if breaker.open else []
            assert len(since_it_opened) <= 1
        elif what == "fail" or (what != "ask" and under_way):
            number = under_way.pop(which % len(under_way)) if under_way else 0
            since_it_opened = [each for each in since_it_opened if each != number]
            if what == "give back":
                breaker = breaker.given_back(number)
            elif what == "fail":
                in_a_row += 1
                breaker = breaker.failed(now, number)
            else:
                in_a_row = 0
                breaker = breaker.answered()
                since_it_opened.clear()
        assert breaker.open == (in_a_row >= FAILURES)
        assert breaker.wait(now) <= LONGEST_PAUSE
        assert since_it_opened or breaker.admits(max(now, breaker.until))
