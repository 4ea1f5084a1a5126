"""What the leader wants of the replicas: the bots, and where Asterisk is. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialplane.resources.voice_bot import VoiceBotSpec


@dataclass(frozen=True, slots=True)
class AriAddress:
    """Where Asterisk's REST interface and its media sockets are, and the Secret of the account."""

    url: str
    secret: str
    """Its keys are `username` and `password`."""


@dataclass(frozen=True, slots=True)
class DesiredBot:
    """A bot that is to take calls."""

    spec: VoiceBotSpec
    time_zone: str
    digest: str
    """Of all that it is made of: a replica that reports it serves just this."""
    secrets: str = ""
    """What `secrets_digest` makes of the Secrets that it names: a replica that has others waits for these."""


@dataclass(frozen=True, slots=True)
class DesiredBots:
    """The view of the replicas."""

    ari: AriAddress | None = None
    bots: Mapping[str, DesiredBot] = field(default_factory=dict)
    """By name."""


def desired_bot(spec: VoiceBotSpec, time_zone: str, secrets: str = "") -> DesiredBot:
    """Return the bot of a manifest.

    Args:
        spec: the manifest's.
        time_zone: IANA's name.
        secrets: what `secrets_digest` makes of the Secrets that it names, so that a new key is another bot.
    """
    text = json.dumps([_written(spec), time_zone, secrets], sort_keys=True)
    return DesiredBot(spec, time_zone, hashlib.sha256(text.encode()).hexdigest()[:16], secrets)


def to_json(desired: DesiredBots) -> dict[str, Any]:
    """Return a JSON value, without secrets."""
    return {
        "ari": [desired.ari.url, desired.ari.secret] if desired.ari else None,
        "bots": {
            name: [_written(bot.spec), bot.time_zone, bot.digest, bot.secrets] for name, bot in desired.bots.items()
        },
    }


def from_json(view: Any) -> DesiredBots:
    """Return what `to_json` was given."""
    return DesiredBots(
        ari=AriAddress(*view["ari"]) if view["ari"] else None,
        bots={
            name: DesiredBot(VoiceBotSpec.model_validate_json(json.dumps(spec)), time_zone, digest, secrets)
            for name, (spec, time_zone, digest, secrets) in view["bots"].items()
        },
    )


def _written(spec: VoiceBotSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)
