"""The PJSIP objects of a site, with those of an unchanged resource remembered from one plan to the next."""

from collections.abc import Iterable, Iterator

from dialplane.plan.dialplan.endpoints import extension_variables
from dialplane.plan.digest import digest
from dialplane.plan.draft import Finding
from dialplane.plan.escape import Unrenderable, escape
from dialplane.plan.objects import PjsipObject, PjsipType
from dialplane.plan.pjsip.asterisk import asterisk_objects
from dialplane.plan.pjsip.extension import extension_objects
from dialplane.plan.pjsip.options import REVISION, assigned
from dialplane.plan.pjsip.trunk import trunk_objects
from dialplane.plan.render import unrenderable
from dialplane.plan.site import Credentials, Site
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec

Owner = ExtensionSpec | SipTrunkSpec
Known = tuple[Owner, Credentials | None, tuple[PjsipObject, ...]]

_ORDER = {kind: index for index, kind in enumerate(PjsipType)}


class Builder:
    """Builds the objects of one site, again and again.

    All that a resource's objects depend on is its spec, its credentials, and what is the same for the whole site.
    """

    def __init__(self) -> None:
        self._whole: tuple[Key, AsteriskSpec, bytes] | None = None
        self._known: dict[Key, Known] = {}

    def objects(self, site: Site) -> tuple[tuple[PjsipObject, ...], list[Finding]]:
        """Every object, sorted by type and id, and the findings about what no file can express."""
        whole = (site.asterisk_key, site.asterisk, site.pepper)
        known = self._known if whole == self._whole else {}
        self._whole, self._known = whole, {}
        findings: list[Finding] = []
        found: list[PjsipObject] = list(asterisk_objects(site))
        owners: list[tuple[Key, Owner]] = [*site.extensions, *site.trunks]
        for key, spec in owners:
            credentials = site.credentials(key, spec)
            before = known.get(key)
            if before is None or before[0] is not spec or before[1] != credentials:
                try:
                    before = spec, credentials, tuple(_marked(list(_built(site, key, spec)), spec, site.pepper))
                except Unrenderable as error:
                    findings.append((key, unrenderable(error)))
                    continue
            self._known[key] = before
            found += before[2]
        return tuple(sorted(found, key=lambda o: (_ORDER[o.type], o.id))), findings


def _built(site: Site, key: Key, spec: Owner) -> Iterable[PjsipObject]:
    return trunk_objects(site, key, spec) if isinstance(spec, SipTrunkSpec) else extension_objects(site, key, spec)


def _marked(objects: list[PjsipObject], spec: Owner, pepper: bytes) -> Iterator[PjsipObject]:
    """The objects of one resource, its endpoint with its variables and the revision of them all."""
    variables = tuple(extension_variables(spec)) if isinstance(spec, ExtensionSpec) else ()
    mark = digest(*((o.type, o.id, o.options) for o in objects), variables, pepper=pepper)
    for item in objects:
        for _, value in item.options:
            escape(value)
        if item.type is PjsipType.ENDPOINT:
            options = (*item.options, *assigned((*variables, (REVISION, mark))))
            yield PjsipObject(item.type, item.id, options, item.owner)
        else:
            yield item
