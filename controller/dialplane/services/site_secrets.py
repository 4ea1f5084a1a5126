"""The Secrets of a site for a replica in the leader's own process."""

from collections.abc import Callable

from pydantic import SecretStr

from dialplane.services.contract import SiteView


class SiteSecrets:
    """Those of the last pass; implements `SecretSource`."""

    def __init__(self, view: Callable[[], SiteView | None]) -> None:
        """Take them from what `view` returns at that moment."""
        self._view = view

    def value(self, name: str, key: str) -> SecretStr | None:
        """See `SecretSource.value`."""
        view = self._view()
        return None if view is None else view.snapshot.secrets.get(name, {}).get(key)
