"""What a spec refers to outside of itself: Secrets."""

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

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
        for name, alias in _bearing(type(value)):
            yield from _walk(getattr(value, name), f"{path}.{alias}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


@cache
def _bearing(model: type[BaseModel]) -> tuple[tuple[str, str | None], ...]:
    """Name and alias of the fields that a Secret may be referred to in: most have none, and a site has many."""
    return tuple((name, info.alias) for name, info in model.model_fields.items() if _may_refer(info.annotation))


def _may_refer(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return issubclass(annotation, SecretRef) or bool(_bearing(annotation))
    return any(_may_refer(each) for each in get_args(annotation))
