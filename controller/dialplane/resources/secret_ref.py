"""References to Secrets of the same namespace: the only way a credential gets into a manifest."""

from typing import Annotated

from dialplane.resources.base import Part
from dialplane.resources.text import Text

SecretName = Annotated[
    str,
    Text(
        "the name of a Secret: small letters, digits, dashes and dots",
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
        253,
    ),
]
SecretKey = Annotated[
    str,
    Text("a key of a Secret: letters, digits, dashes, dots and underscores", r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", 253),
]


class SecretRef(Part):
    """A Secret of the same namespace."""

    name: SecretName
    """The Secret's name."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are read."""
        return ()


class UsernamePasswordRef(SecretRef):
    """A Secret of the same namespace with the keys `username` and `password`."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are read."""
        return ("username", "password")


class TlsSecretRef(SecretRef):
    """A Secret of type `kubernetes.io/tls`: the keys `tls.crt` (certificate and chain) and `tls.key`, both PEM."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are read."""
        return ("tls.crt", "tls.key")


class AuthoritySecretRef(SecretRef):
    """A Secret of the same namespace with the key `ca.crt`: certificates of authorities, PEM."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are read."""
        return ("ca.crt",)


class SecretKeyRef(SecretRef):
    """One value of a Secret of the same namespace."""

    key: SecretKey
    """The key whose value is read."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are read."""
        return (self.key,)
