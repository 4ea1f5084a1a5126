"""What the leader remembers of one campaign while it serves it; another leader finds all of it in the store."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from dialplane.resources.campaign import CampaignAgent
from dialplane.services.infinity.campaign import pacing
from dialplane.services.infinity.campaign.bad_list import BadListError
from dialplane.services.infinity.campaign.desired import Ingredients
from dialplane.services.infinity.do_not_call import NOBODY, Barred
from dialplane.services.infinity.tables.campaign_calls import Recent
from dialplane.services.infinity.tables.destinations import Counts

MINUTE: Final = timedelta(minutes=1)


@dataclass
class CampaignState:
    """One campaign's."""

    begun: deque[datetime] = field(default_factory=deque)
    """When calls began, the last minute's."""
    answered: deque[bool] = field(default_factory=lambda: deque(maxlen=pacing.WINDOW))
    """Of the last calls that rang, the newest first."""
    ingredients: Ingredients | None = None
    """What the list in the store was made from."""
    read: Ingredients | None = None
    """What was read last: a list that is bad is not read again."""
    barred: Barred = NOBODY
    """Who must not be called, by the list that was read last."""
    of_site: int | None = None
    """The version of the list of whom nobody calls that was read last; None: it is to be read again."""
    bad_list: BadListError | None = None
    forgotten: bool = False
    """The store that knew whom it called is lost."""
    due: datetime | None = None
    """Nobody is due before then; None: nobody waits."""
    turn: int = 0
    """Whose turn it is among the agents."""
    why: str = ""
    """What keeps it from calling now."""
    counts: Counts | None = None
    active: int = 0

    @classmethod
    def start(cls, recent: Recent, now: datetime) -> "CampaignState":
        """Go on where another process stopped."""
        course = cls(due=now)
        course.begun.extend(sorted(recent.begun))
        course.answered.extend(recent.answered)
        return course

    def begun_lately(self, now: datetime) -> int:
        """Calls begun within the last minute."""
        while self.begun and self.begun[0] <= now - MINUTE:
            self.begun.popleft()
        return len(self.begun)

    def due_by(self, moment: datetime) -> None:
        """Somebody waits, and is due then."""
        self.due = moment if self.due is None else min(self.due, moment)

    def rang(self, answered: bool) -> None:
        """A call ended that may have rung."""
        self.answered.appendleft(answered)


@dataclass
class Busy:
    """Who is in a call, or is about to be."""

    agents: dict[tuple[str, str], str] = field(default_factory=dict)
    """Tenant and agent, each with the call that they are in."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Telephones likewise: nobody answers two calls on one."""

    def add(self, tenant: str, agent: str, number: str, call: str = "one that begins now") -> None:
        """Note that this agent is in this call."""
        self.agents[tenant, agent] = call
        self.numbers[number] = call

    def call_of(self, tenant: str, agent: CampaignAgent) -> str:
        """Return the call that keeps an agent from another; empty where none does."""
        return self.agents.get((tenant, agent.id)) or self.numbers.get(agent.callback_number, "")

    def free(self, tenant: str, agents: Iterable[CampaignAgent]) -> tuple[CampaignAgent, ...]:
        """Those of them who may be rung, one for each telephone."""
        found: dict[str, CampaignAgent] = {}
        for agent in agents:
            if (tenant, agent.id) not in self.agents and agent.callback_number not in self.numbers:
                found.setdefault(agent.callback_number, agent)
        return tuple({agent.id: agent for agent in reversed(found.values())}.values())[::-1]


def in_turn(agents: Sequence[CampaignAgent], turn: int) -> tuple[CampaignAgent, ...]:
    """The agents, whose turn it is first."""
    start = turn % len(agents)
    return (*agents[start:], *agents[:start])
