"""What the paid providers have in common: where one is, how long it may take, and what its faults are called. Pure.

An error says which provider, at which host, what is wrong, and which field or Secret cures it. It never has words of
the provider in it: those may repeat the key, or what a caller said. Only a machine's code is shown.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault

_CODE: Final = re.compile(r"[a-z]{2,24}(_[a-z]{2,24}){1,5}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]{1,1024}")

_FAULTS: Final[Mapping[str, SpeechFault]] = {
    "auth_error": SpeechFault.REFUSED,
    "invalid_api_key": SpeechFault.REFUSED,
    "missing_permissions": SpeechFault.REFUSED,
    "unaccepted_terms": SpeechFault.REFUSED,
    "unaccepted_terms_error": SpeechFault.REFUSED,
    "commit_throttled": SpeechFault.QUOTA,
    "insufficient_quota": SpeechFault.QUOTA,
    "quota_exceeded": SpeechFault.QUOTA,
    "quota_exceeded_error": SpeechFault.QUOTA,
    "rate_limit_exceeded": SpeechFault.QUOTA,
    "rate_limited": SpeechFault.QUOTA,
    "system_busy": SpeechFault.QUOTA,
    "too_many_concurrent_requests": SpeechFault.QUOTA,
    "invalid_value": SpeechFault.UNSUPPORTED,
    "input_error": SpeechFault.UNSUPPORTED,
    "model_not_found": SpeechFault.UNSUPPORTED,
    "voice_not_found": SpeechFault.UNSUPPORTED,
    "invalid_voice": SpeechFault.UNSUPPORTED,
    "queue_overflow": SpeechFault.UNAVAILABLE,
    "resource_exhausted": SpeechFault.UNAVAILABLE,
    "server_error": SpeechFault.UNAVAILABLE,
    "session_expired": SpeechFault.UNAVAILABLE,
    "session_time_limit_exceeded": SpeechFault.UNAVAILABLE,
    "transcriber_error": SpeechFault.UNAVAILABLE,
}
"""Codes of ElevenLabs and OpenAI, as they document them."""

_STATUSES: Final[Mapping[int, SpeechFault]] = {
    400: SpeechFault.UNSUPPORTED,
    401: SpeechFault.REFUSED,
    402: SpeechFault.QUOTA,
    403: SpeechFault.REFUSED,
    404: SpeechFault.UNSUPPORTED,
    408: SpeechFault.TIMEOUT,
    422: SpeechFault.UNSUPPORTED,
    429: SpeechFault.QUOTA,
    504: SpeechFault.TIMEOUT,
}

_WORDS: Final[Mapping[SpeechFault, str]] = {
    SpeechFault.REFUSED: "refuses the key: put a valid one into the Secret that {field}.secretRef names",
    SpeechFault.QUOTA: "is used up, or asked too often: see the plan of the account there",
    SpeechFault.UNAVAILABLE: "cannot be reached, or has closed: see the network, and {field}.url",
    SpeechFault.TIMEOUT: "does not answer in time",
    SpeechFault.GARBLED: "does not speak its protocol: see {field}.url",
    SpeechFault.BUSY: "is asked for more than it takes",
    SpeechFault.UNSUPPORTED: "does not offer this: see the language, and the model, voice and url of {field}",
}


class ProviderError(SpeechError):
    """A paid provider does not serve."""

    def __init__(self, fault: SpeechFault, message: str, code: str = "") -> None:
        """Keep the provider's code, where it gave one of those that are documented."""
        super().__init__(fault, message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """How long a provider may take, in seconds."""

    connect_seconds: float = 5.0
    """Until there is a connection."""
    answer_seconds: float = 5.0
    """Until an answer begins."""
    end_seconds: float = 10.0
    """Between two parts of an answer, and until the end of one that has no parts."""
    close_seconds: float = 1.0
    """For saying goodbye, behind the call's back."""


LIMITS: Final = ProviderLimits()
LEAST_SECONDS: Final = 0.05
"""What has come is taken, even where its time was over."""


@dataclass(frozen=True, slots=True)
class PaidProvider:
    """A provider that one bot uses."""

    name: str
    """Its name, for people."""
    field: str
    """The part of the manifest that asks for it, such as `spec.speechToText`."""
    url: str
    """Where it is; without credentials."""

    def error(self, fault: SpeechFault, detail: str = "", code: str = "") -> ProviderError:
        """Return an error; `detail` is in our own words."""
        words, place = _WORDS[fault].format(field=self.field), urlsplit(self.url).netloc
        return ProviderError(fault, f"{self.name} at {place} {words}{detail and f' ({detail})'}", code)

    def code_error(self, code: object, otherwise: SpeechFault = SpeechFault.UNAVAILABLE) -> ProviderError:
        """Return the error that a code of the provider stands for."""
        known = code if isinstance(code, str) and code in _FAULTS else ""
        return self.error(_FAULTS.get(known, otherwise), known or shown(code), known)

    def http_error(self, status: int, body: bytes = b"") -> ProviderError:
        """Return the error that an HTTP answer stands for; a code in its body says more than its status."""
        code = _code_of(body)
        if (fault := _FAULTS.get(code)) is not None:
            return self.error(fault, f"HTTP {status}, {code}", code)
        if status in _STATUSES:
            return self.error(_STATUSES[status], f"HTTP {status}")
        fault = SpeechFault.UNAVAILABLE if status >= 500 else SpeechFault.GARBLED  # noqa: PLR2004 -- the server's faults
        return self.error(fault, f"HTTP {status}")

    def parsed(self, message: str | bytes) -> dict[str, Any]:
        """Return a JSON object.

        Raises:
            SpeechError: it is none.
        """
        value = _decoded(message)
        if not isinstance(value, dict):
            raise self.error(SpeechFault.GARBLED, "no JSON object")
        return value

    def parsed_list(self, message: str | bytes) -> list[dict[str, Any]]:
        """Return a JSON list of objects.

        Raises:
            SpeechError: it is none.
        """
        value = _decoded(message)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(SpeechFault.GARBLED, "no JSON list")
        return value

    def header_value(self, key: SecretStr) -> str:
        """Return a key as it stands in a header, without the line break that Secrets often end in.

        Raises:
            SpeechError: it has characters that no key has.
        """
        value = key.get_secret_value().strip()
        if not _HEADER_VALUE.fullmatch(value):
            raise self.error(SpeechFault.REFUSED, "the key is empty, or has spaces or other characters that no key has")
        return value


def shown(code: object) -> str:
    """Return a provider's own code as it may be shown: a number, or a name such as `server_error`; else nothing.

    Where a name is, a provider that is none may say anything: words, or the key.
    """
    if isinstance(code, int):
        return str(code)
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def socket_url(url: str) -> str:
    """Return the address of a WebSocket where an `http` or `https` one stands in the manifest."""
    return f"ws{url.removeprefix('http')}" if url.startswith("http") else url


def language_code(language: str) -> str:
    """Return the ISO 639-1 code of a language, such as `en` for `en-GB`."""
    return language.partition("-")[0].lower()


def _code_of(body: bytes) -> str:
    """Return the code in an error's body, as ElevenLabs (`detail.status`) and OpenAI (`error.code`) write it."""
    value = _decoded(body)
    for name, keys in (("detail", ("status", "code")), ("error", ("code", "type"))):
        part = value.get(name) if isinstance(value, dict) else None
        for key in keys:
            code = part.get(key) if isinstance(part, dict) else None
            if isinstance(code, str) and code in _FAULTS:
                return code
    return ""


def _decoded(message: str | bytes) -> Any:
    """Return a JSON value; None where it is none."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None
