"""PURE but for Apprise's reading of a URL: what each Notifier is to tell, and why one cannot."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.resources.kinds import event_types
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Problem, Reason
from dialplane.services.contract import SiteView
from dialplane.services.notify.tables.folding import NewDelivery
from dialplane.services.notify.target import BadTargetError, Target
from dialplane.services.notify.wording import BadTemplateError, MessageTemplate
from dialplane.store.events import Event


@dataclass(frozen=True, slots=True, eq=False)
class DesiredNotifier:
    """One Notifier as it is to be served."""

    name: str
    uid: str
    spec: NotifierSpec
    url: SecretStr = field(repr=False)
    wording: MessageTemplate = field(default_factory=MessageTemplate)
    in_parallel: bool = False
    accepted: bool = True
    problem: Problem | None = None
    """Why it cannot be served though it was accepted; holds nothing of the URL."""

    @property
    def served(self) -> bool:
        """Whether it can be told now; what is to be told waits otherwise."""
        return self.accepted and not self.problem

    @property
    def key(self) -> Key:
        """Of its resource."""
        return Key("Notifier", self.name)

    def delivery(self, event: Event) -> NewDelivery | None:
        """What becomes of an event here: None where it is not told."""
        forwarded = self.name in (event.data.get("notifiers") or ())
        if not (forwarded or event.type in self.spec.events) or not _passes(self.spec, event):
            return None
        known = event_types().get(event.type)
        fold = known is None or known.folded
        return NewDelivery(self.name, self.uid, self.spec.fold_seconds if fold else 0)


def desired_notifiers(view: SiteView, before: Mapping[str, DesiredNotifier]) -> dict[str, DesiredNotifier]:
    """The enabled Notifiers of the site by name; one that did not change is the very same as `before`."""
    found = {}
    for resource, spec in view.snapshot.of(NotifierSpec):
        if not spec.enabled:
            continue
        name, reference = resource.key.name, spec.url_secret_ref
        url = view.snapshot.secrets.get(reference.name, {}).get(reference.key)
        accepted = url is not None and resource.key in view.accepted
        url, old = url or SecretStr(""), before.get(name)
        asked = (resource.uid, spec, url, accepted)
        if old is not None and (old.uid, old.spec, old.url, old.accepted) == asked:
            found[name] = old
        else:
            found[name] = (
                _duty(name, resource.uid, spec, url) if accepted else DesiredNotifier(name, *asked[:3], accepted=False)
            )
    return found


def faults(view: SiteView, _: datetime) -> Iterator[tuple[Key, Problem]]:
    """Yield what keeps Notifiers from being served though the plan accepts them."""
    notifiers = desired_notifiers(view, {}).values()
    return ((notifier.key, notifier.problem) for notifier in notifiers if notifier.problem is not None)


def _duty(name: str, uid: str, spec: NotifierSpec, url: SecretStr) -> DesiredNotifier:
    try:
        wording = MessageTemplate(spec.title, spec.template)
        target = Target(url.get_secret_value())
    except BadTemplateError as error:
        return DesiredNotifier(name, uid, spec, url, problem=Problem(Reason.INVALID, error.what, error.field))
    except BadTargetError as error:
        said = f"Secret {spec.url_secret_ref.name}, key {spec.url_secret_ref.key}: {error}"
        return DesiredNotifier(name, uid, spec, url, problem=Problem(Reason.SECRET_INVALID, said, "spec.urlSecretRef"))
    return DesiredNotifier(name, uid, spec, url, wording=wording, in_parallel=target.in_parallel)


def _passes(spec: NotifierSpec, event: Event) -> bool:
    only = spec.filter
    match event.subject_kind:
        case "SipTrunk":
            return not only.trunks or event.subject_name in only.trunks
        case "Dongle" | "SmsMessage":
            dongle = event.data.get("dongle") or (event.subject_name if event.subject_kind == "Dongle" else None)
            if only.dongles and dongle not in only.dongles:
                return False
            return "sender" not in event.data or not only.senders or event.data["sender"] in only.senders
        case _:
            return True
