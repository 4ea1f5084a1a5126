"""What the builders of objects are given: the enabled, valid resources of one site that fit together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec


@dataclass(frozen=True, slots=True)
class Site:
    """One site after its checks: every reference resolves, no number is there twice, nothing here is disabled.

    The order of the tuples means nothing: whoever renders from them sorts.
    """

    namespace: str
    asterisk_key: Key
    asterisk: AsteriskSpec
    extensions: tuple[tuple[Key, ExtensionSpec], ...] = ()
    trunks: tuple[tuple[Key, SipTrunkSpec], ...] = ()
    schedules: tuple[tuple[Key, ScheduleSpec], ...] = ()
    secrets: Mapping[str, Mapping[str, SecretStr]] = field(default_factory=dict, repr=False)
    """The values of every Secret referred to: by the Secret's name, then the key."""

    def secret(self, name: str, key: str) -> SecretStr:
        """One value; the checks have proven that it is there."""
        return self.secrets[name][key]
