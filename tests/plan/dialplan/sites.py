"""Sites for tests, from specs as a manifest says them."""

from collections.abc import Iterable
from typing import Any

from pydantic import SecretStr

from dialplane.plan.dialplan import dialplan
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site
from dialplane.plan.voice_bots import Bot
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec

BOX = {"pinSecretRef": {"name": "pins", "key": "pin"}}
REALTIME = {
    "provider": "openai",
    "secretRef": {"name": "openai", "key": "key"},
    "instructions": "Ask what the caller wants.",
}
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def spec_of(kind: str, name: str, spec: dict[str, Any]) -> Any:
    resource = parse({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
    assert resource.spec is not None, resource.problems
    return resource.spec


def extension(number: str, **spec: Any) -> tuple[Key, ExtensionSpec]:
    name = f"e{number}"
    return Key("Extension", name), spec_of("Extension", name, {"number": number, "generateCredentials": True} | spec)


def trunk(name: str, **spec: Any) -> tuple[Key, SipTrunkSpec]:
    return Key("SipTrunk", name), spec_of("SipTrunk", name, {"host": "192.0.2.1"} | spec)


def schedule(name: str, **spec: Any) -> tuple[Key, ScheduleSpec]:
    ways = {"whenOpen": {"extension": "101"}, "whenClosed": {"hangup": True}}
    return Key("Schedule", name), spec_of("Schedule", name, ways | spec)


def bot(name: str, *, served: bool = True, **spec: Any) -> Bot:
    said = {"realtime": REALTIME, "fallback": {"to": {"extension": "101"}}} | spec
    return Bot(Key("VoiceBot", name), spec_of("VoiceBot", name, said), served)


def site(
    extensions: Iterable[tuple[Key, ExtensionSpec]] = (),
    trunks: Iterable[tuple[Key, SipTrunkSpec]] = (),
    schedules: Iterable[tuple[Key, ScheduleSpec]] = (),
    bots: Iterable[Bot] = (),
    **asterisk: Any,
) -> Site:
    key = Key("Asterisk", "pbx")
    spec: AsteriskSpec = spec_of("Asterisk", "pbx", asterisk)
    owners = [each for each, _ in extensions]
    secrets = {owner: {"pins": {"pin": SecretStr("4711")}} for owner in owners}
    return Site("test", key, spec, tuple(extensions), tuple(trunks), tuple(schedules), secrets, voice_bots=tuple(bots))


def contexts(of: Site) -> dict[str, DialplanContext]:
    return {each.name: each for each in dialplan(of)}


def lines(of: Site, context: str) -> dict[str, str]:
    """Extension -> application and arguments; the hash of a routine's name is left out."""
    entries = contexts(of)[context].entries
    return {e.extension: f"{e.application}({_without_hash(e.arguments)})" for e in entries}


def _without_hash(arguments: str) -> str:
    head, underscore, rest = arguments.partition("_")
    return head + rest[8:] if underscore and head.startswith("dp-") else arguments
