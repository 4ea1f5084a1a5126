"""The site as the builders see it: only what is enabled, valid and checked, with its Secrets at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import SecretStr

from dialplane.plan.cabins import Cabin
from dialplane.plan.identification import Identification
from dialplane.plan.plan import Secrets
from dialplane.plan.voice_bots import Bot
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.base import GeneratedAccount
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.secret_ref import UsernamePasswordRef
from dialplane.resources.sip_trunk import SipTrunkSpec

KEEPALIVE_SECONDS: Final = 2


class _NamesSecret(Protocol):
    @property
    def name(self) -> str: ...


class HasCredentials(Protocol):
    """A spec with `credentialsSecretRef`."""

    @property
    def credentials_secret_ref(self) -> _NamesSecret | None:
        """The Secret with the keys `username` and `password`."""

    def generated_account(self, name: str) -> GeneratedAccount | None:
        """Return the account that takes its place, of the resource called `name`; None where there is none."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and its password."""

    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class Site:
    """One Asterisk and everything it is to serve; references resolved, numbers unique."""

    namespace: str
    asterisk_key: Key
    asterisk: AsteriskSpec
    extensions: tuple[tuple[Key, ExtensionSpec], ...] = ()
    trunks: tuple[tuple[Key, SipTrunkSpec], ...] = ()
    schedules: tuple[tuple[Key, ScheduleSpec], ...] = ()
    secrets: Mapping[Key, Secrets] = field(default_factory=dict, repr=False)
    """By the resource that refers to them: one that is held at an older version keeps its older values."""
    pepper: bytes = field(default=b"dialplane", repr=False)
    """Keys the marks made of secrets, so that a mark tells nothing to whoever reads it."""
    dongles: tuple[tuple[Key, DongleSpec], ...] = ()
    identification: Identification = field(default_factory=Identification)
    """How its trunks are known."""
    cabins: Mapping[str, Cabin] = field(default_factory=dict)
    """The telephones of lifts, by the number of their extension."""
    voice_bots: tuple[Bot, ...] = ()
    """By name; those that are not served too."""

    @property
    def rtp_keepalive(self) -> int | None:
        """Seconds of silence after which Asterisk sends a packet of RTP; None where nobody is ever silent.

        While a bot listens Asterisk sends its caller nothing, and NATs and carriers cut off a call that looks dead. So
        each endpoint has it, at a site with bots alone: people and carriers always send, and comfort noise, which is
        what such a packet is, is new to some of them. RTCP counts as sent, too, every five seconds on another port:
        after five seconds of silence hardly any packet would go out (measured, 22.10.1).
        """
        return KEEPALIVE_SECONDS if self.voice_bots else None

    def secret(self, owner: Key, name: str, key: str) -> SecretStr:
        """One value that `owner` refers to; the checks made sure that it exists."""
        return self.secrets[owner][name][key]

    def credentials(self, owner: Key, spec: HasCredentials) -> Credentials | None:
        """The credentials of `owner`; None where it names none."""
        name = credentials_secret(owner, spec)
        return self._account(owner, name) if name is not None else None

    def account(self, owner: Key, reference: UsernamePasswordRef | None) -> Credentials | None:
        """The account that `owner` refers to; None where it refers to none."""
        return self._account(owner, reference.name) if reference is not None else None

    def _account(self, owner: Key, name: str) -> Credentials:
        username = self.secret(owner, name, "username").get_secret_value()
        return Credentials(username, self.secret(owner, name, "password"))


def credentials_secret(owner: Key, spec: HasCredentials) -> str | None:
    """The name of the Secret that holds the credentials: as referred to, or the one the controller makes."""
    if spec.credentials_secret_ref is not None:
        return spec.credentials_secret_ref.name
    account = spec.generated_account(owner.name)
    return account.secret if account else None
