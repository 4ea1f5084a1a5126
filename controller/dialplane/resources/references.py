"""What a spec refers to outside of itself: Secrets and ConfigMaps."""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from dialplane.resources.base import Spec
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.secret_ref import SecretRef, UsernamePasswordRef

R = TypeVar("R", bound=BaseModel)


def secret_refs(spec: Spec, name: str = "") -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The Secrets to gather for a resource, by walking its spec: new kinds need nothing here.

    Args:
        spec: the resource's spec.
        name: the resource's name; with it the Secret that the controller generates for the resource is there too.

    Yields:
        The field (`spec.voicemail.pinSecretRef`), the Secret's name, and the keys that are read from it.
    """
    for path, reference in _walk(spec, "spec", SecretRef):
        yield path, reference.name, reference.keys
    if name and (account := spec.generated_account(name)):
        yield account.field, account.secret, UsernamePasswordRef(name=account.secret).keys


def config_map_refs(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """The ConfigMaps to gather for a resource, likewise.

    Yields:
        The field (`spec.destinations.configMapRef`), the ConfigMap's name, and the key that is read from it.
    """
    for path, reference in _walk(spec, "spec", ConfigMapKeyRef):
        yield path, reference.name, reference.key


def _walk(value: object, path: str, wanted: type[R]) -> Iterator[tuple[str, R]]:
    if isinstance(value, wanted):
        yield path, value
    elif isinstance(value, BaseModel):
        for name, alias in _bearing(type(value), wanted):
            yield from _walk(getattr(value, name), f"{path}.{alias}", wanted)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]", wanted)


@cache
def _bearing(model: type[BaseModel], wanted: type[BaseModel]) -> tuple[tuple[str, str | None], ...]:
    """Name and alias of the fields that may hold such a reference: most have none, and a site has many."""
    return tuple((name, info.alias) for name, info in model.model_fields.items() if _may_refer(info.annotation, wanted))


def _may_refer(annotation: Any, wanted: type[BaseModel]) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return issubclass(annotation, wanted) or bool(_bearing(annotation, wanted))
    return any(_may_refer(each, wanted) for each in get_args(annotation))
