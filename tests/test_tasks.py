"""Work tried again, and work side by side, under a clock that jumps from one timer to the next: no test sleeps."""

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import pytest

from dialplane import tasks
from dialplane.tasks import (
    Backoff,
    Follower,
    keep_running,
    retry,
    run_beside,
    run_for_each,
    run_together,
    run_until,
    wait_at_most,
)
from tests.eventually import eventually


class AwayError(Exception):
    """What is tried again here."""


class _Jumping(selectors.DefaultSelector):
    """Waits for no timer: it moves the clock on to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`; nothing here waits for a socket, so None would be for ever."""
        assert timeout is not None, "everything waits, and no timer is set"
        self.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test under the clock that jumps."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main)


class Work:
    """Ends as scripted, one step for each call: an error to raise, or the seconds that it runs before it returns."""

    def __init__(self, *script: BaseException | float | tuple[float, BaseException]) -> None:
        self._script = list(script)
        self.called_at: list[float] = []
        self.waits: list[tuple[str, float]] = []

    async def __call__(self) -> str:
        self.called_at.append(asyncio.get_running_loop().time())
        if not self._script:
            await asyncio.Event().wait()
        step = self._script.pop(0)
        seconds, error = step if isinstance(step, tuple) else (step, None) if isinstance(step, float) else (0.0, step)
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return "done"

    def note(self, error: AwayError, wait: float) -> None:
        self.waits.append((str(error), wait))


async def ended(task: "asyncio.Task[Any]", after: float) -> None:
    """Cancel a task at a moment."""
    await asyncio.sleep(after)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# --- waits


def test_waits_double_up_to_the_longest_and_never_overflow() -> None:
    backoff = Backoff(0.5, 4)
    assert [backoff.wait_after(failures) for failures in (1, 2, 3, 4, 5, 10**6)] == [0.5, 1, 2, 4, 4, 4]


def test_a_longest_wait_below_the_first_counts() -> None:
    assert Backoff(10, 4).wait_after(1) == 4


def test_a_part_of_a_wait_may_be_chance() -> None:
    waits = [Backoff(1, 8, least=0.5).wait_after(3) for _ in range(200)]
    assert min(waits) >= 2
    assert max(waits) <= 4
    assert len(set(waits)) > 100


# --- retry


def test_what_fails_is_tried_again_until_it_works() -> None:
    async def main() -> None:
        work = Work(AwayError("one"), AwayError("two"), AwayError("three"), 0.0)
        assert await retry(work, errors=AwayError, backoff=Backoff(1, 3), on_error=work.note) == "done"
        assert work.called_at == [0, 1, 3, 6]
        assert work.waits == [("one", 1), ("two", 2), ("three", 3)]

    run(main())


def test_the_error_is_noted_before_the_wait() -> None:
    async def main() -> None:
        work, noted = Work(AwayError(), 0.0), []
        await retry(
            work,
            errors=AwayError,
            backoff=Backoff(5, 5),
            on_error=lambda _, wait: noted.append((asyncio.get_running_loop().time(), wait)),
        )
        assert noted == [(0, 5)]

    run(main())


def test_a_result_that_is_none_ends_it_too() -> None:
    async def main() -> None:
        async def work() -> None:
            calls.append(1)

        calls: list[int] = []
        await retry(lambda: work(), errors=AwayError, backoff=Backoff(1, 1))  # noqa: PLW0108 -- no coroutine function
        assert calls == [1]

    run(main())


@pytest.mark.parametrize("error", [TypeError("a fault of ours"), ExceptionGroup("several", [AwayError()])])
def test_other_errors_and_groups_are_raised_at_once(error: Exception) -> None:
    async def main() -> None:
        work = Work(AwayError(), error)
        with pytest.raises(type(error)) as caught:
            await retry(work, errors=AwayError, backoff=Backoff(1, 1))
        assert caught.value is error
        assert len(work.called_at) == 2
        work = Work(AwayError(), error)
        with pytest.raises(type(error)) as caught:
            await keep_running(work, errors=AwayError, backoff=Backoff(1, 1), on_error=work.note)
        assert caught.value is error

    run(main())


def test_after_a_limit_the_error_itself_is_raised() -> None:
    async def main() -> None:
        work = Work(*(AwayError(str(number)) for number in range(100)))
        with pytest.raises(AwayError, match=r"^0$"):
            await retry(work, errors=AwayError, backoff=Backoff(1, 1), on_error=work.note, stop_after=0)
        assert not work.waits

    run(main())


def _retry(work: Work, backoff: Backoff) -> Coroutine[Any, Any, Any]:
    return retry(work, errors=Exception, backoff=backoff)


def _keep_running(work: Work, backoff: Backoff) -> Coroutine[Any, Any, NoReturn]:
    return keep_running(work, errors=Exception, backoff=backoff, on_error=lambda *_: None)


@pytest.mark.parametrize("way", [_retry, _keep_running])
@pytest.mark.parametrize("script", [(), (AwayError(),)], ids=["at work", "while it waits"])
def test_a_cancellation_passes_through_at_once(
    way: Callable[[Work, Backoff], Coroutine[Any, Any, Any]], script: tuple[AwayError, ...]
) -> None:
    async def main() -> None:
        work = Work(*script)
        task = asyncio.create_task(way(work, Backoff(60, 60)))
        await ended(task, 5)
        assert task.cancelled()
        assert (work.called_at, asyncio.get_running_loop().time()) == ([0], 5)

    run(main())


# --- keep_running


def test_work_that_ends_is_begun_again_and_waits_grow_with_failures() -> None:
    async def main() -> None:
        work = Work(*(AwayError(name) for name in "abcd"))
        task = asyncio.create_task(keep_running(work, errors=AwayError, backoff=Backoff(1, 4), on_error=work.note))
        await ended(task, 50)
        assert work.called_at == [0, 1, 3, 7, 11]
        assert work.waits == [("a", 1), ("b", 2), ("c", 4), ("d", 4)]

    run(main())


def test_waits_begin_again_after_work_that_returned() -> None:
    async def main() -> None:
        work = Work(AwayError("a"), AwayError("b"), 10.0, AwayError("c"))
        task = asyncio.create_task(keep_running(work, errors=AwayError, backoff=Backoff(1, 60), on_error=work.note))
        await ended(task, 50)
        assert work.called_at == [0, 1, 3, 14, 16]  # the wait after its return was the first of the new ones
        assert work.waits == [("a", 1), ("b", 2), ("c", 2)]

    run(main())


def test_waits_begin_again_after_work_that_went_well_for_long() -> None:
    async def main() -> None:
        work = Work(AwayError("a"), (30.0, AwayError("b")), (30.1, AwayError("c")), AwayError("d"))
        task = asyncio.create_task(
            keep_running(work, errors=AwayError, backoff=Backoff(1, 60), on_error=work.note, healthy_after=30)
        )
        await ended(task, 100)
        assert work.waits == [("a", 1), ("b", 2), ("c", 1), ("d", 2)]

    run(main())


# --- side by side


def test_the_first_error_ends_all_and_is_raised_as_itself() -> None:
    async def main() -> None:
        steady = asyncio.Event()

        async def cleaning_up() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(2)
                steady.set()

        async def failing() -> None:
            await asyncio.sleep(1)
            raise AwayError

        with pytest.raises(AwayError):
            await run_together(cleaning_up(), failing())
        assert steady.is_set()
        assert asyncio.get_running_loop().time() == 3

    run(main())


def test_all_may_end_by_themselves() -> None:
    async def main() -> None:
        await run_together(asyncio.sleep(1), asyncio.sleep(3))
        assert asyncio.get_running_loop().time() == 3

    run(main())


def test_a_stop_ends_all_and_an_error_comes_out() -> None:
    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(4, stop.set)
        await run_until(stop, asyncio.sleep(60), asyncio.sleep(70))
        assert asyncio.get_running_loop().time() == 4
        with pytest.raises(AwayError):
            await run_until(asyncio.Event(), Work(AwayError())())  # type: ignore[arg-type]  # what it returns is of no use
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_what_runs_beside_work_ends_with_it() -> None:
    async def main() -> None:
        await run_beside(asyncio.sleep(4), asyncio.sleep(60), asyncio.sleep(1))
        assert asyncio.get_running_loop().time() == 4
        with pytest.raises(AwayError):
            await run_beside(asyncio.sleep(60), Work(AwayError())())  # type: ignore[arg-type]  # as above
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_what_does_not_stop_is_left_behind_after_a_limit() -> None:
    async def main() -> None:
        async def stubborn() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(60)

        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1, stop.set)
        await run_until(stop, stubborn())
        assert asyncio.get_running_loop().time() == 1 + tasks.STOP_LIMIT

    run(main())


def test_each_item_is_worked_on_so_many_at_once() -> None:
    async def main() -> None:
        at_work, most, done = 0, 0, []

        async def work(item: int) -> None:
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(1)
            at_work -= 1
            done.append(item)

        await run_for_each(work, iter(range(7)), at_most=3)
        assert (sorted(done), most, asyncio.get_running_loop().time()) == (list(range(7)), 3, 3)

    run(main())


def test_the_first_error_of_an_item_ends_the_others() -> None:
    async def main() -> None:
        async def work(item: int) -> None:
            await asyncio.sleep(1)
            begun.append(item)
            if item == 2:
                raise AwayError

        begun: list[int] = []
        with pytest.raises(AwayError):
            await run_for_each(work, range(100), at_most=3)
        assert begun == [0, 1, 2]

    run(main())


@pytest.mark.parametrize(
    ("at_most", "set_after", "ends_after"), [(5.0, None, 5.0), (5.0, 2.0, 2.0), (None, 90.0, 90.0)]
)
def test_an_event_is_waited_for_so_long_at_most(
    at_most: float | None, set_after: float | None, ends_after: float
) -> None:
    async def main() -> None:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        if set_after is not None:
            loop.call_later(set_after, event.set)
        started = loop.time()
        await wait_at_most(event, at_most)
        assert loop.time() - started == pytest.approx(ends_after)

    run(main())


def test_a_cancellation_is_not_hidden_by_the_error_that_it_brings() -> None:
    async def fail(_: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise AwayError("cut off")

    async def main() -> None:
        task = asyncio.create_task(run_for_each(fail, [1, 2], at_most=2))
        await ended(task, 1)
        assert task.cancelled()

    run(main())


async def test_a_follower_serves_what_is_wanted_last() -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def serve(wanted: str) -> None:
        begun.append(wanted)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(wanted)

    follower = Follower(serve)
    running = asyncio.create_task(follower.run())
    follower.want("one")
    await eventually(lambda: begun == ["one"])
    follower.want("one")
    follower.want("two")
    await eventually(lambda: begun == ["one", "two"])
    assert ended == ["one"]
    follower.want(None)
    await eventually(lambda: ended == ["one", "two"])
    running.cancel()
    await asyncio.wait({running})
    assert begun == ["one", "two"]


async def test_what_fails_in_a_follower_ends_it() -> None:
    async def fail(wanted: str) -> None:
        raise ValueError(wanted)

    follower = Follower(fail)
    follower.want("one")
    with pytest.RaisesGroup(ValueError):
        await follower.run()
