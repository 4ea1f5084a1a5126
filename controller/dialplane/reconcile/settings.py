"""What a site loop is given: the front door around it, and its waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.plan.plan import Pbx
from dialplane.reconcile.ports import CredentialsStore, Leadership, Remover, Source, StatusSink, Supervisor
from dialplane.resources.key import Key
from dialplane.services.contract import Notice, Notices, Service


@dataclass(frozen=True, slots=True)
class AmiDefaults:
    """What stands in for what `Asterisk.spec.ami` leaves out (the variables `ASTERISK_AMI_*`)."""

    host: str = "127.0.0.1"
    port: int = 5038
    username: str = ""
    secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    calls_username: str = ""
    """Of call control; empty: the user above does that too."""
    calls_secret: SecretStr = field(default_factory=lambda: SecretStr(""))

    def address(self, pbx: Pbx) -> AmiAddress:
        """Where to reach that Asterisk."""
        ami = pbx.spec.ami
        return AmiAddress(
            host=ami.host or self.host,
            port=ami.port or self.port,
            tls=ami.tls,
            username=pbx.username or self.username,
            secret=pbx.secret or self.secret,
        )

    def calls_address(self, pbx: Pbx) -> AmiAddress:
        """Where to reach that Asterisk as the user of call control."""
        main = self.address(pbx)
        if pbx.calls_username is not None and pbx.calls_secret is not None:
            return replace(main, username=pbx.calls_username, secret=pbx.calls_secret)
        if self.calls_username:
            return replace(main, username=self.calls_username, secret=self.calls_secret)
        return main


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults suit every site; tests shorten some."""

    quiet: float = 0.1
    longest_noise: float = 1.0
    report_quiet: float = 0.05
    reload_limit: float = 60.0
    retry: float = 5.0
    """Before a failed pass is tried again; doubles up to `longest_retry`."""
    longest_retry: float = 60.0
    drift_check: float = 30.0
    status_refresh: float = 60.0
    lost_grace: float = 10.0
    slow_pass: float = 2.0
    """A pass that takes longer says in between what it does not know yet."""
    overlay_from: int = 2000
    """Endpoints. From so many on a small change is put into Asterisk's database, and the reload put off."""
    settle_after: float = 60.0
    """Without such a change for so long, the reload that was put off is made."""
    settle_latest: float = 600.0
    """So long after the first of them it is made anyway."""
    drain_check: float = 1.0
    """How often calls are counted before a restart."""
    supervisor_limit: float = 120.0
    """Of one order to the supervisor; a stop has been seen to take 36."""
    restart_limit: float = 420.0
    """From the order to an Asterisk that has started anew; the chart's pod may take 330 to end."""


class LogAlone:
    """The log has every notice, and that is enough."""

    def tell(self, key: Key, notice: Notice) -> None:
        """See `ports.Notices`."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything around the loop."""

    source: Source
    sink: StatusSink
    credentials: CredentialsStore
    leadership: Leadership
    supervisor: Supervisor | None = None
    """Without one nobody can restart Asterisk on request."""
    notices: Notices = field(default_factory=LogAlone)
    services: Sequence[Service] = ()
    """What serves the site beside Asterisk."""
    remover: Remover | None = None
    """Without one a resource whose time is over stays."""
