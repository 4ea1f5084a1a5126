"""A running Asterisk that is given objects as the site loop does it: rendered, reloaded, read back."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import SecretStr

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.readback import read_back
from dialplane.asterisk.reload import reload, reloads_for
from dialplane.plan.objects import DialplanContext, DialplanEntry, Objects, PjsipObject, PjsipType, Value
from dialplane.plan.render import Renderer
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from testbed.asterisk import AsteriskInstance

TYPES = [t for t in PjsipType if t is not PjsipType.SYSTEM]
RELOADED = (*(t.file for t in TYPES), "extensions.conf", "voicemail.conf")


def address(asterisk: AsteriskInstance) -> AmiAddress:
    account = asterisk.settings.controller
    return AmiAddress(asterisk.settings.host, account.name, SecretStr(account.secret), asterisk.settings.ami_port)


def pjsip(kind: PjsipType, name: str, *options: tuple[str, Value]) -> PjsipObject:
    """An object whose owner is named after it, so that a test sees who is blamed."""
    return PjsipObject(kind, name, options, Key("Test", name))


def context(name: str, *entries: tuple[str, int | str, str, str], includes: Iterable[str] = ()) -> DialplanContext:
    """A context whose entries each have an owner named after their extension."""
    made = tuple(DialplanEntry(e, p, app, args, Key("Test", e)) for e, p, app, args in entries)
    return DialplanContext(name, tuple(includes), made, Key("Test", name))


class Pbx:
    """One Asterisk, its connection, and what it was told to hold."""

    def __init__(self, asterisk: AsteriskInstance, ami: Ami) -> None:
        self.asterisk = asterisk
        self.ami = ami
        self._renderer = Renderer(load())
        self._written: dict[str, str] = {}

    @property
    def udp(self) -> PjsipObject:
        """The one transport whose socket is open."""
        bind = f"127.0.0.1:{self.asterisk.sip_port}"
        return pjsip(PjsipType.TRANSPORT, "udp", ("protocol", "udp"), ("bind", bind))

    async def hold(self, objects: Objects, *, transports: bool = True) -> tuple[Mismatch, ...]:
        """Render, write, reload what differs, read everything back."""
        objects = self.whole(objects) if transports else objects
        await self.write({k: v for k, v in self._renderer.files(objects)[0].items() if k in RELOADED})
        return await read_back(self.ami, objects)

    def whole(self, objects: Objects) -> Objects:
        """With the transport, sorted as a plan is."""
        everything = [*objects.pjsip, self.udp]
        return replace(objects, pjsip=tuple(sorted(everything, key=lambda o: (o.type, o.id))))

    async def write(self, files: Mapping[str, str]) -> None:
        """Write whole files and reload what reads them."""
        changed = {name: text for name, text in files.items() if self._written.get(name) != text}
        for name, text in changed.items():
            self.asterisk.write(f"dialplane/{name}", text)
        self._written |= changed
        for module in reloads_for(changed).modules:
            assert (await reload(self.ami, module)).succeeded


def blamed(found: Iterable[Mismatch]) -> set[tuple[str, str]]:
    """Owner's name and field of each mismatch."""
    return {(m.owner.name if m.owner else "", m.field) for m in found}
