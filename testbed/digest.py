"""Digest authentication (RFC 2617, MD5 with ``qop=auth``), as a client and as the one who checks."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    """A user name and its password."""

    username: str
    password: str


def challenge(realm: str) -> str:
    """A fresh challenge, the value of WWW-Authenticate or Proxy-Authenticate."""
    return f'Digest realm="{realm}", nonce="{secrets.token_hex(16)}", algorithm=MD5, qop="auth"'


def authorization(credentials: Credentials, challenged: str, method: str, uri: str) -> str:
    """The answer to a challenge, the value of Authorization or Proxy-Authorization."""
    asked = fields(challenged)
    name, realm, nonce = credentials.username, asked["realm"], asked["nonce"]
    secret = _md5(f"{name}:{realm}:{credentials.password}")
    request = _md5(f"{method}:{uri}")
    given = f'Digest username="{name}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "opaque" in asked:
        opaque = asked["opaque"]
        given += f', opaque="{opaque}"'
    if "auth" in asked.get("qop", "").split(","):
        cnonce = secrets.token_hex(8)
        response = _md5(f"{secret}:{nonce}:00000001:{cnonce}:auth:{request}")
        return f'{given}, qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'
    response = _md5(f"{secret}:{nonce}:{request}")
    return f'{given}, response="{response}"'


def is_right(given: Mapping[str, str], method: str, password: str) -> bool:
    """Whether the fields of an Authorization value were made with ``password``."""
    secret = _md5(f"{given.get('username')}:{given.get('realm')}:{password}")
    request = _md5(f"{method}:{given.get('uri')}")
    middle = given.get("nonce", "")
    if "qop" in given:
        middle += f":{given.get('nc')}:{given.get('cnonce')}:{given['qop']}"
    return hmac.compare_digest(_md5(f"{secret}:{middle}:{request}"), given.get("response", ""))


def fields(value: str) -> dict[str, str]:
    """The fields of a Digest header, without their quotes."""
    pairs = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', value)
    return {name.lower(): quoted or plain for name, quoted, plain in pairs}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
