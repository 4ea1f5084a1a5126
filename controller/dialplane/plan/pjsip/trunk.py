"""The PJSIP objects of a SipTrunk, all named after it.

A trunk is known by its addresses (`identify`) or by the line its registration got (`line = yes`), never by the From
user: with the default `identify_by` anybody could call in under its name (facts).
"""

from collections.abc import Iterator
from hashlib import blake2b

from dialplane.plan.dialplan.contexts import END
from dialplane.plan.dialplan.endpoints import hidden_endpoint, trunk_context
from dialplane.plan.objects import PjsipObject, PjsipType, Value
from dialplane.plan.pjsip.options import Options, codecs, encryption, options, repeated
from dialplane.plan.pjsip.uri import server_uri, transport_of, transport_parameter
from dialplane.plan.site import Credentials, Site
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import Registration, SipTrunkSpec

FOREVER = "10000"
"""`max_retries`: Asterisk's default of 10 gives up for good."""


def trunk_objects(site: Site, key: Key, spec: SipTrunkSpec) -> Iterator[PjsipObject]:
    """Endpoint and aor always; a second endpoint, auth, registration and identify as the spec asks."""
    credentials = site.credentials(key, spec)
    auth = f"{key.name}-{_mark(site, credentials)}" if credentials else None
    if credentials and auth:
        yield PjsipObject(
            PjsipType.AUTH,
            auth,
            options(("auth_type", "digest"), ("username", credentials.username), ("password", credentials.password)),
            key,
        )
    yield PjsipObject(
        PjsipType.AOR,
        key.name,
        options(
            ("contact", server_uri(site.asterisk, spec, "")),
            ("qualify_frequency", spec.qualify_seconds),
            ("outbound_proxy", _proxy(site, spec)),
        ),
        key,
    )
    yield PjsipObject(PjsipType.ENDPOINT, key.name, _endpoint(site, key, spec, auth), key)
    if hidden := hidden_endpoint(key, spec):
        anonymous = spec.model_copy(update={"from_user": None, "from_domain": None})
        yield PjsipObject(PjsipType.ENDPOINT, hidden, _endpoint(site, key, anonymous, auth), key)
    if spec.registration and spec.registers and credentials and auth:
        registration = _registration(site, key, spec, spec.registration, credentials.username, auth)
        yield PjsipObject(PjsipType.REGISTRATION, key.name, registration, key)
    if networks := site.identification.networks.get(key):
        yield PjsipObject(PjsipType.IDENTIFY, key.name, (("endpoint", key.name), *repeated("match", networks)), key)


def registration_uris(asterisk: AsteriskSpec, spec: SipTrunkSpec, username: str) -> tuple[str, str]:
    """The client and the server URI: the pair by which Asterisk's events name a registration."""
    return server_uri(asterisk, spec, username), server_uri(asterisk, spec, "")


def _endpoint(site: Site, key: Key, spec: SipTrunkSpec, auth: str | None) -> Options:
    return options(
        ("context", trunk_context(key)),
        ("message_context", END),
        ("aors", key.name),
        ("outbound_auth", auth),
        ("identify_by", "ip"),
        ("transport", _transport(site, spec)),
        ("outbound_proxy", _proxy(site, spec)),
        ("from_user", spec.from_user),
        ("from_domain", spec.from_domain),
        ("language", site.asterisk.default_language),
        ("dtmf_mode", str(spec.dtmf_mode)),
        ("direct_media", False),
        ("rtp_symmetric", True),
        ("rtp_keepalive", site.rtp_keepalive),
        ("media_encryption", encryption(spec.media_encryption)),
        ("trust_id_inbound", spec.caller_id_policy.trust_inbound),
        ("send_pai", True),
        ("allow_transfer", False),
        ("allow_subscribe", False),
        ("allow_overlap", False),
    ) + codecs(spec.codecs or site.asterisk.codecs)


def _registration(
    site: Site, key: Key, spec: SipTrunkSpec, registration: Registration, username: str, auth: str
) -> Options:
    client_uri, uri = registration_uris(site.asterisk, spec, username)
    pairs: tuple[tuple[str, Value | int | bool | None], ...] = (
        ("server_uri", uri),
        ("client_uri", client_uri),
        ("outbound_auth", auth),
        ("contact_user", registration.contact_user or username),
        ("transport", _transport(site, spec)),
        ("outbound_proxy", _proxy(site, spec)),
        ("expiration", registration.expiry_seconds),
        ("retry_interval", registration.retry_seconds),
        ("forbidden_retry_interval", registration.retry_seconds),
        ("fatal_retry_interval", registration.retry_seconds),
        ("max_random_initial_delay", 1),  # seconds; the default of 10 keeps a new password waiting
        ("max_retries", FOREVER),
        ("auth_rejection_permanent", False),
        ("line", True),
        ("endpoint", key.name),
    )
    return options(*pairs)


def _proxy(site: Site, spec: SipTrunkSpec) -> str | None:
    """By the trunk's own protocol: without it a request over tls would be looked for by udp."""
    suffix = transport_parameter(site.asterisk, spec)
    return f"sip:{spec.outbound_proxy}{suffix};lr" if spec.outbound_proxy else None


def _transport(site: Site, spec: SipTrunkSpec) -> str | None:
    """Always named: else Asterisk would send by whatever DNS prefers, from the first socket that it opened for that."""
    transport = transport_of(site.asterisk, spec)
    return transport.name if transport else None


def _mark(site: Site, credentials: Credentials) -> str:
    """Six hex digits that change with the credentials, so that Asterisk registers anew with a new auth (facts).

    Keyed by the site and too short to test a guessed password against.
    """
    text = f"{credentials.username}\0{credentials.password.get_secret_value()}"
    return blake2b(text.encode("utf-8", "surrogateescape"), key=site.pepper, digest_size=3).hexdigest()
