"""Why a text message is not sent yet, in one sentence. Pure."""

from collections.abc import Mapping

from dialplane.resources.conditions import Condition, Truth
from dialplane.resources.dongle import DongleSpec
from dialplane.services.sms.modems import Fleet, online
from dialplane.services.sms.tables.outgoing import Outgoing


def why_waiting(message: Outgoing, dongles: Mapping[str, DongleSpec], fleet: Fleet | None) -> str:
    """What a queued message waits for; empty of one that is not queued.

    Args:
        message: the message.
        dongles: those in service, by name.
        fleet: what Asterisk says of its modems; None where it does not say.
    """
    if message.phase != "Queued":
        return ""
    if message.dongle is not None:
        return f"the modem {message.dongle} has it and has not said more"
    failed = f" ({message.error})" if message.error else ""
    asked = message.dongle_asked
    whose = f"the Dongle {asked}" if asked else f"a Dongle of the group {message.group_asked}"
    names = [name for name, spec in sorted(dongles.items()) if (name == asked if asked else _is_of(spec, message))]
    if not names:
        return f"waits for {whose}, and there is none in service{failed}"
    found = {name: online(dongles[name], name, fleet) for name in names}
    if any(condition.status is Truth.TRUE for condition in found.values()):
        return f"waits for its turn at {whose}{failed}"
    return f"waits for {whose}: {'; '.join(_state(name, found[name], asked) for name in names[:3])}{failed}"


def _is_of(spec: DongleSpec, message: Outgoing) -> bool:
    return message.group_asked is not None and spec.group == message.group_asked


def _state(name: str, condition: Condition, asked: str | None) -> str:
    return condition.message if asked else f"{name}: {condition.message}"
