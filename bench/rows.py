"""The table: each figure, its yardstick from the same run, and the ratio of the two. Pure."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.results import (
    Calls,
    ColdStart,
    Command,
    DeviceCommands,
    DeviceLoad,
    Leases,
    Messages,
    OneChange,
    Results,
    StandaloneSite,
    SteadyState,
    Storm,
    VoiceCalls,
    percentile,
)
from bench.site import KINDS_OF_EDITS

HEADER = ("what", "N", "Dialplane", "yardstick", "its figure", "ratio", "goal")
_KIB = 1024
_MIB = 1024 * 1024
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Row:
    """One line of the table, as text; the ratio is our figure over the yardstick's: less is better."""

    what: str
    n: int
    ours: str
    yardstick: str = ""
    figure: str = ""
    ratio: str = ""
    goal: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of `HEADER`."""
        return (self.what, f"{self.n:,}", self.ours, self.yardstick, self.figure, self.ratio, self.goal)


def rows(results: Results) -> list[Row]:
    """All of them, in the order of the document."""
    return [
        *_all(_cold(each) for each in results.cold),
        *_all(_change(each) for each in results.change),
        *_all(_steady(each) for each in results.steady),
        *_all(_storm(each) for each in results.storm),
        *_all(_standalone(each) for each in results.standalone),
        *(_command(each) for each in results.commands),
        *_all(_messages(each) for each in results.messages),
        *_all(_leases(each) for each in results.leases),
        *_all(_calls(each) for each in results.calls),
        *_all(_devices(each) for each in results.devices),
        *_all(_voice(each) for each in results.voice),
    ]


def _all(groups: Iterable[Iterator[Row]]) -> Iterator[Row]:
    for group in groups:
        yield from group


def _cold(cold: ColdStart) -> Iterator[Row]:
    n, naive, name = cold.n, cold.naive, "naive operator"
    goal = n == 5_000  # noqa: PLR2004 -- the size that the goals speak of
    yield _times("cold start", n, cold.seconds, "bare patches + bare reload", cold.floor, goal="≤ 1.5" * goal)
    yield _times("cold start", n, cold.seconds, name, naive.seconds, goal="≤ 0.67" * goal)
    yield _times("cold start, CPU", n, cold.cpu_seconds, name, naive.cpu_seconds, goal="≤ 0.5" * goal)
    ratio = _ratio(cold.peak_rss, naive.peak_rss)
    memory = _memory(cold.peak_rss), name, _memory(naive.peak_rss)
    yield Row("cold start, peak memory", n, *memory, ratio, "≤ 0.33" * goal)
    asked = sum(cold.requests.values())
    yield Row("cold start, API requests", n, f"{asked:,}", name, f"{naive.requests:,}", _ratio(asked, naive.requests))
    yield Row("cold start, reloads", n, _reloads(cold.reloads), goal="≤ 2" * goal)


def _change(change: OneChange) -> Iterator[Row]:
    goals = {(1_000, 50): "≤ 400 ms", (1_000, 99): "≤ 1.5 s", (10_000, 50): "≤ 500 ms"}
    reload = statistics.median(change.reload_floor)
    for percent in _PERCENTILES:
        what = f"one change, p{percent} of {len(change.samples)}"
        goal = goals.get((change.n, percent), "")
        yield _times(what, change.n, percentile(change.samples, percent), "bare reload", reload, goal=goal)
    of_endpoints = change.samples[::KINDS_OF_EDITS]
    yield _times("one change of an endpoint alone, p50", change.n, percentile(of_endpoints, 50), "bare reload", reload)


def _steady(steady: SteadyState) -> Iterator[Row]:
    what, n, name = f"steady state, {steady.phones} phones", steady.n, "naive operator"
    cpu, naive_cpu = (100 * seconds / steady.seconds for seconds in (steady.cpu_seconds, steady.naive_cpu_seconds))
    percent = f"{cpu:.2f} %", name, f"{naive_cpu:.2f} %", _ratio(cpu, naive_cpu)
    yield Row(f"{what}, CPU of one core", n, *percent, "< 2 %")
    asked, naive_asked = (
        60 * count / steady.seconds for count in (sum(steady.requests.values()), steady.naive_requests)
    )
    yield Row(f"{what}, API requests/min", n, f"{asked:.1f}", name, f"{naive_asked:.1f}", "", "< 10")
    yield Row(f"{what}, reloads", n, _reloads(steady.reloads), goal="0")


def _storm(storm: Storm) -> Iterator[Row]:
    what, reload = f"storm, {storm.edits:,} edits in {storm.seconds:.0f} s", statistics.median(storm.reload_floor)
    longest, middle = max(storm.staleness), statistics.median(storm.staleness)
    yield _times(f"{what}, longest staleness", storm.n, longest, "bare reload", reload)
    yield _times(f"{what}, median staleness", storm.n, middle, "bare reload", reload)
    yield Row(f"{what}, reloads", storm.n, _reloads(storm.reloads))


def _standalone(site: StandaloneSite) -> Iterator[Row]:
    reload = statistics.median(site.reload_floor)
    floor = reload + site.parse_floor
    yield _times("`dialplane run`, start", site.n, site.seconds, "libyaml + bare reload", floor)
    yield Row("`dialplane run`, start, peak memory", site.n, _memory(site.peak_rss))
    for percent in _PERCENTILES[:2]:
        what = f"`dialplane run`, one change, p{percent} of {len(site.samples)}"
        yield _times(what, site.n, percentile(site.samples, percent), "bare reload", reload)


def _command(command: Command) -> Row:
    return _times(f"`dialplane {command.name}`", command.n, command.seconds, "libyaml alone", command.parse_floor)


def _messages(messages: Messages) -> Iterator[Row]:
    n, what = len(messages.samples), f"message received, {messages.per_second}/s"
    for percent in (50, 99):
        ours, its = percentile(messages.samples, percent), percentile(messages.bare, percent)
        yield _times(f"{what}, until it was told, p{percent}", n, ours, "bare loop", its)
    yield Row(f"{what}, CPU of one core", n, f"{100 * messages.cpu_seconds / messages.seconds:.0f} %")
    yield Row(f"{what}, peak memory", n, _memory(messages.peak_rss))
    for writes in messages.writes:
        ours, its = writes.per_second, writes.bare_per_second
        pace = f"{ours:,.0f}/s", "bare INSERTs", f"{its:,.0f}/s", _ratio(its, ours)
        yield Row(f"inbox writes, {writes.database}", writes.batch, *pace)


def _leases(leases: Leases) -> Iterator[Row]:
    n, what, sqlite = leases.pool, f"{leases.callers} callers, {leases.database}", leases.database == "SQLite"
    for percent, goal in ((50, ""), (99, "< 10 ms" if sqlite else "< 20 ms")):
        ours, its = percentile(leases.samples, percent), percentile(leases.naive, percent)
        yield _times(f"lease, {what}, p{percent}", n, ours, "naive allocator", its, goal=goal)
    ours, goal = leases.per_second, "≥ 1,500/s" if sqlite else ""
    for name, its in (("naive allocator", leases.naive_per_second), ("bare UPDATE", leases.updates_per_second)):
        yield Row(
            f"lease and release, {leases.database}", n, f"{ours:,.0f}/s", name, f"{its:,.0f}/s", _ratio(its, ours), goal
        )
        goal = ""


def _calls(calls: Calls) -> Iterator[Row]:
    n, when = len(calls.samples), f"after {_time(calls.after)}" if calls.after else "at once"
    what = f"make-call, {calls.database}, {calls.per_second}/s, platform answers {when}"
    for percent in (50, 99):
        ours, its = percentile(calls.samples, percent), percentile(calls.bare, percent)
        yield _times(f"{what}, p{percent}", n, ours, "bare POST", its)
    added = percentile(calls.samples, 99) - statistics.median(calls.bare)
    yield Row(f"{what}, added to it, p99", n, _time(added), goal="≤ 100 ms")
    yield Row(f"{what}, CPU of one core", n, f"{100 * calls.cpu_seconds / calls.seconds:.0f} %")


def _voice(voice: VoiceCalls) -> Iterator[Row]:
    n, name = voice.n, "bare echo"
    how = "with real-time scheduling" if voice.real_time else "without real-time scheduling"
    for what, ours, its, goal in (
        ("CPU of one core", voice.bot_cpu, voice.bare_cpu, "≤ 1 %"),
        ("CPU of Asterisk, of one core", voice.asterisk_cpu, voice.bare_asterisk_cpu, ""),
    ):
        yield Row(f"call of a bot, {what}", n, f"{ours:.2%}", name, f"{its:.2%}", _ratio(ours, its), goal)
    memory = f"{voice.rss / _KIB:.0f} KiB", name, f"{voice.bare_rss / _KIB:.0f} KiB", _ratio(voice.rss, voice.bare_rss)
    yield Row("call of a bot, memory", n, *memory, "≤ 1 MiB")
    late = voice.arrival_p99, voice.bare_arrival_p99
    arrivals = _short(late[0]), name, _short(late[1]), _ratio(*late), "≤ 25 ms"
    yield Row(f"calls of bots, {how}, packets arrive after, p99", n, *arrivals)
    yield Row("calls of bots, gaps of more than 60 ms", n, f"{voice.gaps}", goal="0")
    for what, samples, goals in (
        ("decision to first sound", voice.first_audio, {50: "≤ 30 ms", 99: "≤ 60 ms"}),
        ("FLUSH to silence", voice.silence, {99: "≤ 20 ms"}),
    ):
        for percent in (50, 99):
            yield Row(
                f"bot, {what}, p{percent}",
                len(samples),
                _short(percentile(samples, percent)),
                goal=goals.get(percent, ""),
            )


def _devices(load: DeviceLoad) -> Iterator[Row]:
    n, name = load.n, "bare `websockets`"
    every = f"every {load.interval:g} s"
    for what, ours, its, goal in (
        ("device, heartbeat and pong, CPU", load.beat_cpu, load.bare_beat_cpu, "≤ 90 µs"),
        ("device, connect, CPU", load.connect_cpu, load.bare_connect_cpu, "≤ 1.5 ms"),
        (f"device, heartbeats {every}, pong p99", load.pong_p99, load.bare_pong_p99, ""),
    ):
        yield Row(what, n, _short(ours), name, _short(its), _ratio(ours, its), goal)
    memory = f"{load.rss / _KIB:.0f} KiB", name, f"{load.bare_rss / _KIB:.0f} KiB", _ratio(load.rss, load.bare_rss)
    yield Row("device, memory", n, *memory, "≤ 25 KiB")
    yield Row("device, memory with TLS", load.tls_n, f"{load.tls_rss / _KIB:.0f} KiB", goal="≤ 60 KiB")
    yield Row("device, connect with TLS, CPU", load.tls_n, _short(load.tls_connect_cpu))
    yield Row("devices connect, in one transaction", n, f"{load.connects_per_transaction:.0f}", goal="≥ 50")
    yield Row(f"devices, heartbeats {every}, transactions/s", n, f"{load.writes_per_second:.2f}", goal="≤ 1")
    yield Row(f"devices, heartbeats {every}, log of PostgreSQL/min", n, f"{load.log_per_minute / _MIB:.1f} MiB")
    yield Row("devices, all back after a restart", n, _time(load.back_seconds), goal="≤ 30 s")
    yield Row("devices, events and statuses for it", n, f"{load.told}", goal="0")
    for commands in load.commands:
        yield from _device_commands(n, commands)
    yield Row("devices, CPU of the simulator, of one core", n, f"{100 * load.devices_cpu:.0f} %")


def _device_commands(n: int, commands: DeviceCommands) -> Iterator[Row]:
    pace, where = commands.per_second, "same process" if commands.near else "other process"
    what = f"command to a device, {pace:,}/s, {where}"
    goals = {(True, 200): "≤ 20 ms", (False, 200): "≤ 50 ms"}
    yield Row(f"{what}, p50", n, _time(percentile(commands.samples, 50)))
    yield Row(f"{what}, p99", n, _time(percentile(commands.samples, 99)), goal=goals.get((commands.near, pace), ""))
    yield Row(f"{what}, not arrived", n, f"{commands.missing}", goal="0")
    goal = "≤ 100" if pace == 1_000 else ""  # noqa: PLR2004 -- the pace that the goal speaks of
    yield Row(f"{what}, transactions/s", n, f"{commands.transactions_per_second:.0f}", goal=goal)


def _times(what: str, n: int, ours: float, yardstick: str, its: float, *, goal: str = "") -> Row:
    return Row(what, n, _time(ours), yardstick, _time(its), _ratio(ours, its), goal)


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1_000:.1f} ms"  # noqa: PLR2004
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"  # noqa: PLR2004 -- three digits at most


def _short(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 0.001 else _time(seconds)  # noqa: PLR2004 -- a millisecond


def _memory(size: int) -> str:
    return f"{size / _MIB:.0f} MiB"


def _ratio(ours: float, its: float) -> str:
    return f"{ours / its:.2f}" if its else ""


def _reloads(modules: Iterable[str]) -> str:
    counted = Counter(module.removeprefix("res_").removesuffix(".so") for module in modules)
    return ", ".join(f"{count} {module}" for module, count in counted.items()) or "0"
