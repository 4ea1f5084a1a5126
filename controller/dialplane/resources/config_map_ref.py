"""References to ConfigMaps of the same namespace: lists that are too long for a manifest."""

from typing import Annotated

from dialplane.resources.base import Part
from dialplane.resources.text import Text

ConfigMapName = Annotated[
    str,
    Text(
        "the name of a ConfigMap: small letters, digits, dashes and dots",
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
        253,
    ),
]
ConfigMapKey = Annotated[
    str,
    Text("a key of a ConfigMap: letters, digits, dashes, dots and underscores", r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", 253),
]


class ConfigMapKeyRef(Part):
    """One value of a ConfigMap of the same namespace."""

    name: ConfigMapName
    """The ConfigMap's name."""
    key: ConfigMapKey
    """The key whose value is read."""
