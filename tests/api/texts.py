"""The service of text messages as the API needs it: with these Dongles, and no modem behind them."""

from collections.abc import Mapping

from dialplane.resources.dongle import DongleSpec
from dialplane.services.sms.service import SmsService
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.store import Store

IMEI = "354000000000010"


class Texts(SmsService):
    """Counts how often it is woken."""

    def __init__(self, store: Store, site: str, dongles: Mapping[str, str | None], **forwards: str) -> None:
        """`dongles` have a group each, or none; `forwards` are Notifiers by Dongle."""
        super().__init__(store, site, tell=lambda *_: None)
        self.woken = 0
        self.dongles = {
            name: DongleSpec.model_validate(
                {"imei": IMEI, "group": group, "sms": {"forwardTo": (forwards[name],) if name in forwards else ()}}
            )
            for name, group in dongles.items()
        }

    def waits(self, message: Outgoing) -> str:  # noqa: ARG002 -- as the real one
        return ""

    def wake(self) -> None:
        self.woken += 1
