"""Every ConfigMap that is referred to exists, and has the key. What its values mean is for the service to say."""

from collections.abc import Iterator

from dialplane.plan.draft import Draft, Finding
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.references import config_map_refs


def config_maps(draft: Draft) -> Iterator[Finding]:
    """Missing ConfigMaps and keys. No message shows a value."""
    for key, resource in list(draft.resources.items()):
        if resource.spec is None:
            continue
        for path, name, entry in config_map_refs(resource.spec):
            values = draft.config_maps.get(key, {}).get(name)
            if values is None:
                yield key, _missing(f"ConfigMap {name!r} does not exist in this namespace: create it", path)
            elif entry not in values:
                message = f"ConfigMap {name!r} has no key {entry!r} under data: add it, or name another key"
                yield key, _missing(message, path)


def _missing(message: str, field: str) -> Problem:
    return Problem(Reason.REFERENCE_MISSING, message, field)
