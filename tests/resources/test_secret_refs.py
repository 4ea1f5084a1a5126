"""The front doors learn which Secrets a resource needs, and of these only what it reads."""

from typing import Any

from dialplane.resources.kinds import KINDS
from dialplane.resources.references import secret_refs


def refs(kind: str, name: str = "", **raw: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    spec, problems = KINDS[kind].parse_spec(raw)
    assert spec is not None, problems
    return list(secret_refs(spec, name))


def test_a_spec_without_references_has_none() -> None:
    assert refs("Asterisk") == []


def test_each_sort_of_reference_names_the_keys_that_are_read() -> None:
    web = {"name": "web", "protocol": "wss", "certificateSecretRef": {"name": "site-tls"}}
    assert refs("Asterisk", ami={"credentialsSecretRef": {"name": "ami"}}, transports=[web]) == [
        ("spec.ami.credentialsSecretRef", "ami", ("username", "password")),
        ("spec.transports[0].certificateSecretRef", "site-tls", ("tls.crt", "tls.key")),
    ]
    voicemail = {"pinSecretRef": {"name": "pins", "key": "101"}}
    assert refs("Extension", number="101", credentialsSecretRef={"name": "phone"}, voicemail=voicemail) == [
        ("spec.credentialsSecretRef", "phone", ("username", "password")),
        ("spec.voicemail.pinSecretRef", "pins", ("101",)),
    ]


def test_generated_credentials_are_read_back_like_any_other() -> None:
    expected = [("spec.generateCredentials", "ada-credentials", ("username", "password"))]
    assert refs("Extension", "ada", number="101", generateCredentials=True) == expected
