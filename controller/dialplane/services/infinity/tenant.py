"""The tenants of a site, as the services see them: specs with the Secrets that they refer to."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pydantic import SecretStr

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.do_not_call import DoNotCall
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.numbering import Numbering
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.secret_ref import SecretKeyRef
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from dialplane.services.infinity.campaign import destination_list
from dialplane.services.infinity.campaign.bad_list import BadListError
from dialplane.services.infinity.do_not_call import MIXED, NOBODY, Barred, mixed


@dataclass(frozen=True, slots=True)
class Tenant:
    """One InfinityTenant whose manifest can be read."""

    key: Key
    uid: str
    spec: InfinityTenantSpec
    serves: bool
    """Takes new calls: enabled, accepted by the plan, its do-not-call list read. Others end the calls they have."""
    token: SecretStr | None
    """The access token; None where its Secret is missing."""
    callback_secret: SecretStr | None
    """None where the manifest names none, or its Secret is missing."""
    numbering: Numbering | None = None
    """How numbers without a country are written; None: nobody knows."""
    barred: Barred = NOBODY
    """Whom no call of the tenant goes to, by its manifest."""
    problem: Problem | None = None
    """Why it takes no calls though the plan accepts it."""

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.key.name


def tenants(view: SiteView) -> dict[str, Tenant]:
    """Every InfinityTenant with a valid manifest, by name, the disabled ones too."""
    return {tenant.name: tenant for tenant in _tenants(view)}


def site_numbering(snapshot: Snapshot) -> Numbering | None:
    """How numbers without a country are written at the site; None where its Asterisk does not say."""
    return next((spec.numbering for _, spec in snapshot.of(AsteriskSpec)), None)


def _tenants(view: SiteView) -> Iterator[Tenant]:
    of_site = site_numbering(view.snapshot)
    for resource, spec in view.snapshot.of(InfinityTenantSpec):
        callback = spec.callback.secret_ref if spec.callback else None
        numbering = spec.numbering or of_site
        barred, problem = _barred(spec.do_not_call, _listed(view.snapshot, spec.do_not_call), numbering)
        yield Tenant(
            key=resource.key,
            uid=resource.uid,
            spec=spec,
            serves=resource.key in view.accepted and problem is None,
            token=_value(view.snapshot, spec.token_secret_ref),
            callback_secret=_value(view.snapshot, callback) if callback else None,
            numbering=numbering,
            barred=barred,
            problem=problem,
        )


def _listed(snapshot: Snapshot, unwanted: DoNotCall) -> str:
    reference = unwanted.config_map_ref
    return snapshot.config_maps.get(reference.name, {}).get(reference.key, "") if reference else ""


@lru_cache(maxsize=256)
def _barred(unwanted: DoNotCall, text: str, numbering: Numbering | None) -> tuple[Barred, Problem | None]:
    """The list, or why it is none. Remembered: a site is looked at often, and a list may have 1 MiB."""
    try:
        listed = destination_list.numbers(text, numbering)
    except BadListError as error:
        reference = unwanted.config_map_ref
        where = f"ConfigMap {reference.name}, key {reference.key}: " if reference else ""
        return NOBODY, Problem(Reason.INVALID, f"{where}{error}", "spec.doNotCall.configMapRef")
    for index, number in enumerate(unwanted.numbers):
        if message := destination_list.bad_number(number, numbering):
            return NOBODY, Problem(Reason.INVALID, message, f"spec.doNotCall.numbers[{index}]")
    barred = Barred.of((*unwanted.numbers, *listed), numbering)
    if numbering is None and mixed(barred.identities):
        return NOBODY, Problem(Reason.INVALID, MIXED, "spec.doNotCall")
    return barred, None


def _value(snapshot: Snapshot, reference: SecretKeyRef) -> SecretStr | None:
    return snapshot.secrets.get(reference.name, {}).get(reference.key)
