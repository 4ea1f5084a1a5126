"""Whether ARI answers: voice bots and call control need it."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from dialplane.cli.doctor_checks import Diagnosis, Level

LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class AriAnswer:
    """What ARI answered."""

    body: Any
    """JSON."""


def ari(url: str, values: Mapping[str, SecretStr], limit: float) -> Diagnosis:
    """Ask ARI for its version with the credentials of the manifest."""
    answer = ask_ari(url, "asterisk/info?only=system", values, limit)
    if isinstance(answer, Diagnosis):
        return answer
    try:
        version = answer.body["system"]["version"]
    except (LookupError, TypeError):
        version = "unknown"
    return Diagnosis("ARI", Level.OK, f"{url} answers (Asterisk {version})")


def ask_ari(url: str, path: str, values: Mapping[str, SecretStr], limit: float) -> AriAnswer | Diagnosis:
    """Ask something of ARI; return what is wrong where it does not answer."""
    if not {"username", "password"} <= values.keys():
        return Diagnosis(
            "ARI", Level.FAILED, "its Secret lacks username or password", "complete the Secret of spec.ari"
        )
    account = f"{values['username'].get_secret_value()}:{values['password'].get_secret_value()}"
    request = urllib.request.Request(  # noqa: S310 -- the model admits http and https only
        f"{url}/ari/{path}",
        headers={"Authorization": "Basic " + base64.b64encode(account.encode("utf-8", "surrogateescape")).decode()},
    )
    try:
        with urllib.request.urlopen(request, timeout=limit) as answer:  # noqa: S310 -- likewise
            return AriAnswer(json.loads(answer.read(LONGEST)))
    except urllib.error.HTTPError as error:
        cures = {
            401: ("refuses user or password", "compare ari.conf with the Secret of spec.ari"),
            403: ("refuses this user", "in ari.conf: read_only = no for this user"),
            404: ("is not there", "in ari.conf, [general]: enabled = yes; load res_ari.so; http.conf: no prefix"),
        }
        message, cure = cures.get(error.code, (f"answers {error.code}", "see Asterisk's log"))
        return Diagnosis("ARI", Level.FAILED, f"{url} {message}", cure)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        cure = "http.conf, [general]: enabled = yes, bindaddr, bindport; is a firewall between?"
        return Diagnosis("ARI", Level.FAILED, f"{url} does not answer: {reason}", cure)
