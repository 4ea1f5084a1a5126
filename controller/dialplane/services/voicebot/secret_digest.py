"""PURE: whether two processes have the same Secrets for a bot, without either saying what they are."""

import hashlib
import hmac
import json
from typing import Final

from dialplane.resources.references import secret_refs
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.contract import SecretSource
from dialplane.services.voicebot.desired import AriAddress

ACCOUNT: Final = ("username", "password")
"""The keys of the Secret of ARI's account."""


def secrets_digest(spec: VoiceBotSpec, ari: AriAddress | None, secrets: SecretSource) -> str:
    """Return a digest of all values of Secrets that a bot names; empty where it names none.

    It stands in the store, so it is keyed by the account of ARI, which does not: nobody can try values by it.

    Args:
        spec: the bot's.
        ari: names the account.
        secrets: where the values are. One that is missing counts as such.
    """
    named = sorted({(name, key) for _, name, keys in secret_refs(spec) for key in keys})
    if not named:
        return ""
    account = [secret_text(secrets, ari.secret, key) for key in ACCOUNT] if ari is not None else []
    text = json.dumps([[name, key, secret_text(secrets, name, key)] for name, key in named])
    return hmac.new(json.dumps(account).encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def secret_text(secrets: SecretSource, name: str, key: str) -> str | None:
    """Return a value as every process has it, None where it is missing; a newline at its end is a mounted file's."""
    found = secrets.value(name, key)
    return None if found is None else found.get_secret_value().removesuffix("\n").removesuffix("\r")
