"""What a spec refers to outside of itself: Secrets."""

from collections.abc import Iterator

from pydantic import BaseModel

from dialplane.resources.base import Spec
from dialplane.resources.extension import ExtensionSpec, generated_secret
from dialplane.resources.secret_ref import SecretRef, UsernamePasswordRef


def secret_refs(spec: Spec, name: str = "") -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The Secrets to gather for a resource, by walking its spec: new kinds need nothing here.

    Args:
        spec: the resource's spec.
        name: the resource's name; with it the Secret that the controller generates for the resource is there too.

    Yields:
        The field (`spec.voicemail.pinSecretRef`), the Secret's name, and the keys that are read from it.
    """
    yield from _walk(spec, "spec")
    if name and isinstance(spec, ExtensionSpec) and spec.generate_credentials:
        keys = UsernamePasswordRef(name=generated_secret(name)).keys
        yield "spec.generateCredentials", generated_secret(name), keys


def _walk(value: object, path: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if isinstance(value, SecretRef):
        yield path, value.name, value.keys
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from _walk(getattr(value, name), f"{path}.{info.alias}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
