"""Voicemail by e-mail: messages are read in Asterisk's spool, mailed, and deleted only when they were taken."""

from collections.abc import Iterator

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.conditions import ConditionType
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.services.contract import Context, Service, ServiceDefinition, SiteView


def mailed(view: SiteView) -> list[Key]:
    """Return the extensions whose messages are to be mailed; none where the site names no mail server."""
    pbxs = [spec for resource, spec in view.snapshot.of(AsteriskSpec) if resource.key in view.accepted]
    if not pbxs or pbxs[0].voicemail.mail is None:
        return []
    return [r.key for r, spec in view.snapshot.of(ExtensionSpec) if spec.mails_to and r.key in view.accepted]


def _asked(view: SiteView) -> Iterator[tuple[Key, ConditionType]]:
    return ((key, ConditionType.MAIL_DELIVERABLE) for key in mailed(view))


def _start(context: Context) -> Service:
    from dialplane.services.voicemail.service import VoicemailService  # noqa: PLC0415 -- most sites mail nothing

    return VoicemailService(context.store, context.site)


def _preload() -> None:
    from dialplane.services.voicemail import service  # noqa: F401, PLC0415 -- as above


SERVICE = ServiceDefinition(
    name="voicemail",
    start=_start,
    preload=_preload,
    asked=_asked,
    tables=("dialplane.services.voicemail.tables",),
)
