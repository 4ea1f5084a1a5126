"""Why a notification did not get through, as a class of causes: what libraries say may hold a token."""

import re
from collections.abc import Iterable
from typing import Final

UNKNOWN: Final = "the service did not take it"

_HTTP: Final = re.compile(r"error=(\d{3})\b")
_SMTP: Final = re.compile(r"\((\d{3}), b['\"]")
_CAUSES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (r"connection refused", "connection refused"),
        (r"name or service not known|name resolution|nameresolution|getaddrinfo|no address associated", "unknown host"),
        (r"network is unreachable|no route to host", "host unreachable"),
        (r"certificate", "the server's certificate is not trusted"),
        (r"ssl|tls", "no encrypted connection"),
        (r"proxy", "the proxy refuses"),
        (r"timed out|timeout", "no answer in time"),
        (r"aborted|reset by peer|broken pipe|disconnected|unexpectedly closed|incompleteread", "connection cut"),
    )
)


def cause(lines: Iterable[str]) -> str:
    """What the log lines of one attempt amount to; not one character of theirs but a code of three digits."""
    said = list(lines)
    for line in said:
        if found := _HTTP.search(line):
            return f"HTTP {found[1]}"
    for line in said:
        if found := _SMTP.search(line):
            return f"SMTP {found[1]}"
    for line in said:
        for pattern, name in _CAUSES:
            if pattern.search(line):
                return name
    return UNKNOWN
