"""Files that are encrypted: they must be decrypted on their way here, and are never taken for what they hide.

A value that was encrypted looks like any other text. Taken for a password it locks a telephone out, in silence.
"""

import re
from typing import Final

_TOOLS: Final = (
    ("SOPS", "`sops decrypt`", re.compile(rb"\bENC\[AES256_GCM,data:")),
    ("git-crypt", "`git-crypt unlock`", re.compile(rb"\A\0GITCRYPT\0")),
    ("Ansible Vault", "`ansible-vault decrypt`", re.compile(rb"\A\s*\$ANSIBLE_VAULT;")),
    ("age", "`age --decrypt`", re.compile(rb"\A(?:age-encryption\.org/v1|-----BEGIN AGE ENCRYPTED FILE-----)")),
    ("PGP", "`gpg --decrypt`", re.compile(rb"\A-----BEGIN PGP MESSAGE-----")),
)
"""The tool, what decrypts, and what its files look like."""


def encryption(data: bytes) -> tuple[int, str] | None:
    """The line (from 1) at which an encrypted file shows itself, and the complaint; None where it does not."""
    for tool, cure, sign in _TOOLS:
        found = sign.search(data)
        if found:
            line = data.count(b"\n", 0, found.start()) + 1
            return line, f"is encrypted with {tool}, and is read as plain text only: decrypt it first ({cure})"
    return None
