"""What pools and calls do, one thing after the other, as simply as it can be said."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dialplane.services.infinity.tables.calls import CallState, NewCall
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tables.pools import PoolWanted

ORDER = ("reserved", "dialing", "active", "released")


@dataclass
class Pool:
    strategy: str
    max_calls: int
    enabled: bool
    turn: int = -1


@dataclass
class Extension:
    tenant: str
    position: int
    offline: bool = False
    draining: bool = False
    next: tuple[str, int] | None = None
    call: int | None = None
    used: int = 0

    @property
    def free(self) -> bool:
        return self.call is None and not self.offline and not self.draining


@dataclass
class Held:
    serial: int
    new: NewCall
    number: str
    state: CallState
    deadline: datetime | None


@dataclass
class Model:
    pools: dict[str, Pool] = field(default_factory=dict)
    extensions: dict[str, Extension] = field(default_factory=dict)
    calls: list[Held] = field(default_factory=list)

    def sync(self, wanted: list[PoolWanted], keep: frozenset[str]) -> None:
        for pool in wanted:
            turn = self.pools[pool.tenant].turn if pool.tenant in self.pools else -1
            self.pools[pool.tenant] = Pool(pool.strategy, pool.max_calls, pool.enabled, turn)
        named = {pool.tenant for pool in wanted}
        for tenant, has in self.pools.items():
            has.enabled = has.enabled and tenant in named
        places = {number: (pool.tenant, at) for pool in wanted for at, number in enumerate(pool.numbers)}
        for number, extension in list(self.extensions.items()):
            if (extension.next[0] if extension.next else extension.tenant) in keep:
                continue
            place = places.get(number)
            if extension.call is not None and (place is None or place[0] != extension.tenant):
                extension.draining, extension.next = True, place
            elif place is None:
                del self.extensions[number]
            else:
                extension.tenant, extension.position = place
                extension.draining, extension.next = False, None
        for number, (tenant, at) in places.items():
            self.extensions.setdefault(number, Extension(tenant, at))
        holders = {each.tenant for each in self.extensions.values()} | named | keep
        self.pools = {tenant: pool for tenant, pool in self.pools.items() if tenant in holders}

    def lease(self, new: NewCall, now: datetime) -> tuple[Held | None, str | None]:
        for held in self.calls:
            if (held.new.token, held.new.request_key) == (new.token, new.request_key):
                return held, None
        pool = self.pools.get(new.tenant)
        if pool is None:
            return None, "NoTenant"
        if not pool.enabled:
            return None, "Disabled"
        if len(self.live(new.tenant)) >= pool.max_calls:
            return None, "AtMaximum"
        number = self.choose(pool, new)
        if number is None:
            return None, "Exhausted"
        serial = len(self.calls) + 1
        extension = self.extensions[number]
        extension.call = extension.used = serial
        if pool.strategy == "RoundRobin":
            pool.turn = extension.position
        held = Held(serial, new, number, "reserved", now + timedelta(seconds=new.reserve_seconds))
        self.calls.append(held)
        return held, None

    def choose(self, pool: Pool, new: NewCall) -> str | None:
        free = {n: each for n, each in self.extensions.items() if each.tenant == new.tenant and each.free}
        if not free:
            return None
        if pool.strategy == "RoundRobin":
            return min(free, key=lambda n: (free[n].position <= pool.turn, free[n].position))
        mine = [each.number for each in self.calls if (each.new.tenant, each.new.agent) == (new.tenant, new.agent)]
        if pool.strategy == "AgentAffinity" and mine and mine[-1] in free:
            return mine[-1]
        return min(free, key=lambda n: (free[n].used, free[n].position))

    def live(self, tenant: str) -> list[Held]:
        return [each for each in self.calls if each.new.tenant == tenant and each.state != "released"]

    def change(self, held: Held, change: Change, now: datetime) -> None:
        if ORDER.index(change.to) <= ORDER.index(held.state):
            return
        held.state = change.to
        seconds = {"dialing": held.new.dial_seconds, "active": held.new.call_seconds}.get(change.to)
        held.deadline = now + timedelta(seconds=seconds) if seconds is not None else None
        if change.to != "released":
            return
        extension = self.extensions[held.number]
        assert extension.call == held.serial
        extension.call = None
        if extension.draining and extension.next is None:
            del self.extensions[held.number]
        elif extension.draining and extension.next:
            extension.tenant, extension.position = extension.next
            extension.draining, extension.next = False, None

    def reap(self, now: datetime) -> set[int]:
        due = [each for each in self.calls if each.deadline is not None and each.deadline <= now]
        for held in due:
            to: CallState = "dialing" if held.state == "reserved" else "released"
            self.change(held, Change("", to), now)
        return {held.serial for held in due}
