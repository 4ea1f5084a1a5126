"""Bots as the leader sees them, and replicas that report what a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import ReplicaState, SiteView
from dialplane.services.voicebot.desired import from_json
from dialplane.services.voicebot.reported import (
    APPLICATION,
    BOT_PREFIX,
    ApplicationState,
    BotState,
    application_name,
)
from dialplane.services.voicebot.tables.calls import BOT_CALLS
from dialplane.store import Store
from testbed.manifests import manifest
from tests.databases import NOW

SITE = "office"
DIALOG = {"start": "end", "states": [{"name": "end", "say": {"text": "Goodbye."}, "action": {"hangup": True}}]}
ACCOUNT = {"username": "bots", "password": "of-ari"}


def bot(name: str = "desk", **spec: Any) -> Resource:
    """A bot that says goodbye."""
    made = manifest("VoiceBot", name, **{"dialog": DIALOG, "fallback": {"to": {"hangup": True}}, **spec})
    made["metadata"] |= {"uid": f"uid-{name}", "generation": 1}
    return _parsed(made)


NOBODY = "http://127.0.0.1:1"
"""Where nothing answers."""


def asterisk(url: str = NOBODY, **spec: Any) -> Resource:
    """The site's Asterisk; its account of ARI is in the Secret `ari`."""
    return _parsed(manifest("Asterisk", "pbx", ari={"url": url, "credentialsSecretRef": {"name": "ari"}}, **spec))


def _parsed(made: dict[str, Any]) -> Resource:
    resource = parse(made)
    assert not resource.problems, resource.problems
    return resource


def view(
    *resources: Resource,
    pbx: Resource | None = None,
    refused: Sequence[Resource] = (),
    ami: AmiAddress | None = None,
    account: Mapping[str, str] = ACCOUNT,
    **secrets: Mapping[str, str],
) -> SiteView:
    """A site whose plan accepts all but those `refused`."""
    every = (pbx or asterisk(), *resources)
    named = {"ari": account, **secrets}
    values = {name: {key: SecretStr(value) for key, value in each.items()} for name, each in named.items()}
    snapshot = Snapshot(SITE, {each.key: each for each in (*every, *refused)}, values)
    return SiteView(snapshot, frozenset(each.key for each in every), asterisk=ami)


@dataclass
class ReplicasOfTest:
    """What a leader has of its replicas."""

    alive: frozenset[str] | None = frozenset({"b1"})
    published: list[Any] = field(default_factory=list)
    reported: dict[str, list[ReplicaState]] = field(default_factory=dict)

    def publish(self, desired: Any) -> None:
        self.published.append(desired)

    def living(self) -> frozenset[str] | None:
        return self.alive

    def states(self) -> Mapping[str, Sequence[ReplicaState]]:
        return self.reported

    def open(self, *replicas: str) -> None:
        """These have an application that takes calls, and no other has."""
        states = {replica: ApplicationState(application_name(replica), open=True) for replica in replicas}
        self.reported[APPLICATION] = [ReplicaState(name, each.to_json(), NOW) for name, each in states.items()]

    def say(self, name: str = "desk", replica: str = "b1", **state: Any) -> None:
        """A replica reports a bot, by default that it serves it as it was published last, and has no call."""
        wanted = from_json(self.published[-1]).bots[name].digest
        told = replace(BotState(wanted, ready=True), **state)
        before = [each for each in self.reported.get(BOT_PREFIX + name, []) if each.replica != replica]
        self.reported[BOT_PREFIX + name] = [ReplicaState(replica, told.to_json(), NOW), *before]

    def go(self) -> None:
        """All are gone."""
        self.reported.clear()
        self.alive = frozenset()


def called(store: Store, *times: datetime, name: str = "desk") -> None:
    """A bot took calls then."""
    rows = [
        {
            "id": f"{name}-{at.timestamp()}",
            "site": SITE,
            "bot": name,
            "caller": "+15550100",
            "replica": "b1",
            "began_at": at,
            "variables": {},
        }
        for at in times
    ]
    with store.write() as connection:
        connection.execute(sa.insert(BOT_CALLS), rows)
