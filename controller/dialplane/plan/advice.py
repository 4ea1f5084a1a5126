"""Doubtful choices in manifests: notices of `validate`, which keep nothing from being served."""

from collections.abc import Iterator

from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.snapshot import Snapshot

Advice = tuple[Key, str, str]
"""The resource, the field, and what to think of."""


def advice(snapshot: Snapshot) -> Iterator[Advice]:
    """Yield a notice for each doubtful choice."""
    for resource, spec in snapshot.of(InfinityTenantSpec):
        if spec.callback is None:
            seconds = spec.call_timeout_seconds + spec.longest_call_seconds
            message = (
                "without it nobody tells when a call ends: each one, unanswered or not, holds extension and agent "
                f"for {seconds} seconds (callTimeoutSeconds and maxCallSeconds)"
            )
            yield resource.key, "spec.callback", message
