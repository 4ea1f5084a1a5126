"""Read-back of PJSIP objects.

One PJSIPShowEndpoint answers with the endpoint, its auths, aors, transport and identifies. Whatever no asked endpoint
names is looked for in the lists of its type. Each answer is compared as it comes and then dropped: the answers for
10,000 endpoints would fill 250 MB.
"""

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.defaults import DEFAULTS, NOT_SHOWN
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing
from dialplane.asterisk.message import HIDDEN, Event
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.normalise import field_of, same
from dialplane.plan.objects import PjsipObject, PjsipType, Value
from dialplane.tasks import run_for_each

Id = tuple[PjsipType, str]
_TYPES = {str(t): t for t in PjsipType}
_LISTS = {
    PjsipType.AUTH: "PJSIPShowAuths",
    PjsipType.AOR: "PJSIPShowAors",
    PjsipType.REGISTRATION: "PJSIPShowRegistrationsOutbound",
}
_READABLE = frozenset({PjsipType.ENDPOINT, PjsipType.TRANSPORT, PjsipType.IDENTIFY, *_LISTS})
_HINT = "is its port taken, its address not this machine's, its caFile not there? "
_LIVE_FIELDS = frozenset({"externalmediaaddress", "externalsignalingaddress", "externalsignalingport", "localnet"})
"""Of a transport, what a reload changes; all else stays with the open socket."""


async def read_back_pjsip(ami: Ami, objects: Iterable[PjsipObject]) -> list[Mismatch]:
    """Compare every object with what Asterisk holds; raises as `Ami.list`, but not for what Asterisk refuses."""
    search = _Search(ami, objects)
    await search.run()
    return search.found + search.missing()


async def pjsip_left(ami: Ami, deleted: Iterable[PjsipObject]) -> list[Mismatch]:
    """Those of the deleted objects that Asterisk still holds."""
    search = _Search(ami, deleted)
    await search.run()
    return [
        Mismatch(
            o.owner,
            f"{o.type} {o.id}",
            "",
            "deleted, but still in Asterisk",
            needs_restart=o.type is PjsipType.TRANSPORT,
        )
        for key, o in search.wanted.items()
        if key not in search.unseen
    ]


def differences(wanted: PjsipObject, shown: Event, dynamic: Iterable[str] = ()) -> list[Mismatch]:
    """The fields in which Asterisk's object is not the rendered one. Pure.

    Args:
        wanted: what was rendered.
        shown: Asterisk's Detail or List event of that object.
        dynamic: URIs of contacts that devices registered: an aor's fields show them beside the rendered ones.
    """
    found = []
    fields = _by_field(wanted)
    for field, (option, options) in fields.items():
        if field in NOT_SHOWN.get(wanted.type, ()):
            continue
        if field not in shown:
            found.append(_differs(wanted, option, f"Asterisk does not show {option}: it may not know it"))
        elif not same(wanted.type, field, [(n, _clear(v)) for n, v in options], _shown(wanted, shown, field, dynamic)):
            if field in HIDDEN or any(isinstance(v, SecretStr) for _, v in options):
                message = f"Asterisk runs another {option} than the rendered one"
            else:
                rendered = ", ".join(str(v) for _, v in options)
                message = f"rendered {rendered!r}, Asterisk runs {shown[field]!r}"
            found.append(_differs(wanted, option, message))
    for field, default in DEFAULTS.get(wanted.type, {}).items():
        if field not in fields and field in shown and _shown(wanted, shown, field, dynamic) != default:
            was = "another value" if field in HIDDEN else repr(shown[field])
            found.append(_differs(wanted, field, f"not rendered, but Asterisk runs {was}: it kept an old version"))
    return found


def _shown(wanted: PjsipObject, event: Event, field: str, dynamic: Iterable[str]) -> str:
    value = event[field]
    if field == "contacts":
        for uri in dynamic:
            value = value.replace(f"{wanted.id}/{uri}", "", 1)
        value = value.strip(",")
    return value.strip()


class _Search:
    """Looks for objects in whatever Asterisk shows."""

    def __init__(self, ami: Ami, objects: Iterable[PjsipObject]) -> None:
        self._ami = ami
        self.wanted: dict[Id, PjsipObject] = {(o.type, o.id): o for o in objects if o.type in _READABLE}
        self.unseen = dict.fromkeys(self.wanted)
        self.found: list[Mismatch] = []
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Ask until every wanted object was seen, or nothing is left to ask."""
        await run_for_each(self._endpoint, self._endpoints(), at_most=IN_FLIGHT)
        for kind, action in _LISTS.items():
            if self._misses(kind):
                await self._list(action)
        if self._misses(PjsipType.TRANSPORT):
            await self._transports()

    def missing(self) -> list[Mismatch]:
        """A mismatch for each object that was not seen."""
        return [self._missing(self.wanted[key]) for key in self.unseen]

    def _missing(self, wanted: PjsipObject) -> Mismatch:
        message = self._complaints.get(wanted.id) if wanted.type is PjsipType.ENDPOINT else None
        if wanted.type is PjsipType.IDENTIFY:
            endpoint = _value(wanted, "endpoint")
            if endpoint in self._complaints:
                message = f"endpoint {endpoint}: {self._complaints[endpoint]}"
        hint = _HINT if wanted.type is PjsipType.TRANSPORT else ""
        return Mismatch(
            wanted.owner,
            f"{wanted.type} {wanted.id}",
            "",
            f"not in Asterisk, which refused it: {hint}see its log{f' ({message})' if message else ''}",
            missing=True,
        )

    def _endpoints(self) -> list[str]:
        """The endpoints wanted, and those that show wanted identifies."""
        ids = dict.fromkeys(o.id for o in self.wanted.values() if o.type is PjsipType.ENDPOINT)
        identifies = (o for o in self.wanted.values() if o.type is PjsipType.IDENTIFY)
        return list(ids | dict.fromkeys(_value(o, "endpoint") or o.id for o in identifies))

    def _misses(self, kind: PjsipType) -> bool:
        return any(k is kind for k, _ in self.unseen)

    async def _endpoint(self, name: str) -> None:
        try:
            self._take(await self._ami.list("PJSIPShowEndpoint", Endpoint=name))
        except PermissionMissing:
            raise
        except ActionRefused as refusal:
            # With a transport that is not there, the endpoint is shown, then refused, then the list ends.
            self._complaints[name] = refusal.message
            self._take(refusal.items)
            wanted = self.wanted.get((PjsipType.ENDPOINT, name))
            if wanted is not None and (PjsipType.ENDPOINT, name) not in self.unseen:
                self.found.append(_differs(wanted, "transport", refusal.message))

    async def _list(self, action: str) -> None:
        try:
            events = await self._ami.list(action)
            if action == "PJSIPShowAors":
                events += await self._ami.list("PJSIPShowRegistrationInboundContactStatuses")
        except PermissionMissing:
            raise
        except ActionRefused:
            return  # Its module does not run: what was not seen is missing.
        self._take(events)

    async def _transports(self) -> None:
        """Ask for an endpoint of each transport; one that no endpoint names cannot be shown, and passes."""
        try:
            endpoints = await self._ami.list("PJSIPShowEndpoints")
        except ActionUnknown:
            return  # Without res_pjsip there is none.
        users = {e.get("transport", ""): e["objectname"] for e in endpoints}
        wanted = [key for key in self.unseen if key[0] is PjsipType.TRANSPORT]
        await run_for_each(self._endpoint, [users[name] for _, name in wanted if name in users], at_most=IN_FLIGHT)
        for key in wanted:
            if key[1] not in users:
                self.unseen.pop(key, None)

    def _take(self, events: Iterable[Event]) -> None:
        dynamic: dict[str, list[str]] = {}
        for event in events:
            if event.get("regexpire", "0") != "0":
                dynamic.setdefault(event["aor"], []).append(event["uri"])
        for event in events:
            key = (_TYPES.get(event.get("objecttype", "")), event.get("objectname", ""))
            if key in self.unseen:
                wanted = self.wanted[key]
                del self.unseen[key]
                self.found += differences(wanted, event, dynamic.get(wanted.id, ()))


def _by_field(wanted: PjsipObject) -> Mapping[str, tuple[str, list[tuple[str, Value]]]]:
    fields: dict[str, tuple[str, list[tuple[str, Value]]]] = {}
    for option, value in wanted.options:
        if option != "type":
            fields.setdefault(field_of(option), (option, []))[1].append((option, value))
    return fields


def _differs(wanted: PjsipObject, option: str, message: str) -> Mismatch:
    restart = wanted.type is PjsipType.TRANSPORT and field_of(option) not in _LIVE_FIELDS
    return Mismatch(wanted.owner, f"{wanted.type} {wanted.id}", option, message, needs_restart=restart)


def _clear(value: Value) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _value(wanted: PjsipObject, option: str) -> str:
    return next((str(value) for name, value in wanted.options if name == option), "")
