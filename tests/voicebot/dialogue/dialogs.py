"""Bots with dialogues for tests."""

import json
from datetime import date
from typing import Any

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.machine import Dialogue

TODAY = date(2026, 11, 30)
"""A Monday."""
CALLER = "+15550100"


def bot(*states: dict[str, Any], start: str = "", **spec: Any) -> VoiceBotSpec:
    """Return a bot with these states, of which the first is the start."""
    dialog = {"start": start or states[0]["name"], "states": list(states)}
    value = {"dialog": dialog, "fallback": {"to": {"hangup": True}}, **spec}
    return VoiceBotSpec.model_validate_json(json.dumps(value))


def dialogue(*states: dict[str, Any], **spec: Any) -> Dialogue:
    """Return a dialogue of a bot with these states."""
    return Dialogue(bot(*states, **spec), CALLER, today=TODAY)


def ask(name: str, *transitions: dict[str, Any], say: str = "", **collect: Any) -> dict[str, Any]:
    """Return a state that asks."""
    state: dict[str, Any] = {"name": name, "collect": {"grammar": "yesNo", **collect}, "transitions": list(transitions)}
    return {**state, "say": {"text": say}} if say else state


def act(name: str, next: str | None = None, **action: Any) -> dict[str, Any]:  # noqa: A002 -- the field's name
    """Return a state that does something."""
    return {"name": name, "action": action, **({"next": next} if next else {})}


END = act("end", hangup=True)
