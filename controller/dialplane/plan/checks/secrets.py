"""Every Secret that is referred to exists and holds what it should. No message shows a value."""

import re
from collections.abc import Iterator
from dataclasses import replace

from dialplane.plan.draft import Draft, Finding
from dialplane.plan.escape import Unrenderable, escape
from dialplane.plan.site import credentials_secret
from dialplane.resources.base import Spec
from dialplane.resources.elevator_device import DeviceCallback, ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.infinity_tenant import Callback, InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.references import secret_refs
from dialplane.resources.secret_ref import SecretKeyRef
from dialplane.resources.sip_trunk import SipTrunkSpec

GENERATING = "has not been made by the controller yet"

# What Asterisk takes before the `@` of a SIP address without escapes (RFC 3261, `user`), with `#`, which it lets pass.
_SIP_USER = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/#-]+")
PEM = {
    "tls.crt": re.compile(r"^-----BEGIN CERTIFICATE-----\r?$", re.MULTILINE),
    "ca.crt": re.compile(r"^-----BEGIN CERTIFICATE-----\r?$", re.MULTILINE),
    "tls.key": re.compile(r"^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\r?$", re.MULTILINE),
}
"""How the values of a TLS Secret begin; Asterisk would take any text, and fail at the first handshake."""

CALLBACK_SHORTEST = 16
"""Characters of a secret that callbacks are proven by; a shorter one could be guessed."""
TOKEN_SHORTEST = 16
"""Characters of a device's token, likewise."""

_PIN = re.compile(r"[0-9]{4,10}")


def secrets(draft: Draft) -> Iterator[Finding]:
    """Missing Secrets and keys, empty or unusable values, and accounts that are not the extension's own."""
    for key, resource in list(draft.resources.items()):
        if resource.spec is None:
            continue
        for path, secret, names in secret_refs(resource.spec, key.name):
            partial = path.startswith("spec.voicemail.mail.")  # who cannot mail can telephone all the same
            if secret not in draft.secrets[key]:
                generated = path == "spec.generateCredentials"
                message = f"Secret {secret!r} " + (GENERATING if generated else "does not exist in this namespace")
                yield key, replace(_missing(message, path), partial=partial)
                continue
            for name in names:
                if problem := _value(draft, key, secret, name, path):
                    yield key, replace(problem, partial=partial)
        yield from _of_kind(draft, key, resource.spec)


def _of_kind(draft: Draft, key: Key, spec: Spec) -> Iterator[Finding]:
    """What the values of one kind must be besides."""
    match spec:
        case ExtensionSpec():
            yield from _account(draft, key, spec)
        case SipTrunkSpec() if spec.registers:
            yield from _registering(draft, key, spec)
        case InfinityTenantSpec():
            yield from _callback(draft, key, spec.callback)
        case ElevatorDeviceSpec():
            yield from _long(draft, key, spec.token_secret_ref, "spec.tokenSecretRef", TOKEN_SHORTEST)
            yield from _callback(draft, key, spec.callback)


def _value(draft: Draft, key: Key, secret: str, name: str, path: str) -> Problem | None:
    value = draft.secrets[key][secret].get(name)
    if value is None:
        return _missing(f"Secret {secret!r} has no key {name!r}", path)
    if not value.get_secret_value():
        return _invalid(f"Secret {secret!r}, key {name!r} is empty", path)
    if name in PEM:  # a file of many lines, written to a file of its own
        fits = PEM[name].search(value.get_secret_value())
        return None if fits else _invalid(f"Secret {secret!r}, key {name!r} is no PEM text of its sort", path)
    try:
        escape(value)
    except Unrenderable as error:
        return _invalid(f"Secret {secret!r}, key {name!r} {error}", path)
    return None


def _account(draft: Draft, key: Key, spec: ExtensionSpec) -> Iterator[Finding]:
    name = credentials_secret(key, spec)
    held = draft.secrets[key].get(name or "")
    if held is not None and (user := held.get("username")) is not None and user.get_secret_value() != spec.number:
        field = "spec.generateCredentials" if spec.generate_credentials else "spec.credentialsSecretRef"
        yield key, _invalid(f"Secret {name!r}: username must be the number {spec.number!r}", field)
    box = spec.voicemail
    if box and box.enabled and box.pin_secret_ref:
        pin = draft.secrets[key].get(box.pin_secret_ref.name, {}).get(box.pin_secret_ref.key)
        if pin is not None and not _PIN.fullmatch(pin.get_secret_value()):
            where = f"Secret {box.pin_secret_ref.name!r}, key {box.pin_secret_ref.key!r}"
            yield key, _invalid(f"{where}: a PIN has 4 to 10 digits", "spec.voicemail.pinSecretRef")


def _registering(draft: Draft, key: Key, spec: SipTrunkSpec) -> Iterator[Finding]:
    name = credentials_secret(key, spec) or ""
    user = draft.secrets[key].get(name, {}).get("username")
    if user is not None and user.get_secret_value() and not _SIP_USER.fullmatch(user.get_secret_value()):
        message = (
            f"Secret {name!r}: username must be a SIP user of letters, digits and . _ + * -, as it stands in "
            "the address that registers; @ and what follows it is not part of it"
        )
        yield key, _invalid(message, "spec.credentialsSecretRef")


def _callback(draft: Draft, key: Key, callback: Callback | DeviceCallback | None) -> Iterator[Finding]:
    if callback is not None:
        yield from _long(draft, key, callback.secret_ref, "spec.callback.secretRef", CALLBACK_SHORTEST)


def _long(draft: Draft, key: Key, reference: SecretKeyRef | None, field: str, shortest: int) -> Iterator[Finding]:
    if reference is None:
        return
    value = draft.secrets[key].get(reference.name, {}).get(reference.key)
    if value is not None and 0 < len(value.get_secret_value()) < shortest:
        where = f"Secret {reference.name!r}, key {reference.key!r}"
        yield key, _invalid(f"{where}: needs {shortest} characters at least", field)


def _missing(message: str, field: str) -> Problem:
    return Problem(Reason.SECRET_MISSING, message, field)


def _invalid(message: str, field: str) -> Problem:
    return Problem(Reason.SECRET_INVALID, message, field)
