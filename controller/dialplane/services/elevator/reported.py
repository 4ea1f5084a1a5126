"""What the gateways report to the leader, each as the state of a subject. Pure."""

from collections.abc import Collection
from typing import Any, Final

GATEWAY: Final = "gateway"
"""The subject of a gateway itself; its state has `serves`, the number of the view that devices are admitted by, and
`listens`, its address."""
_TWIN: Final = "twin/"


def twin(device: str) -> str:
    """Return the subject of a device whose id two devices use; its state has their `addresses`."""
    return _TWIN + device


def device_with_twin(subject: str) -> str | None:
    """Return the device of such a subject; None of any other subject."""
    return subject.removeprefix(_TWIN) if subject.startswith(_TWIN) else None


def gateway_state(number: int, address: str) -> dict[str, Any]:
    """Return the state of a gateway that listens at `HOST:PORT`."""
    return {"serves": number, "listens": address}


def twin_state(addresses: Collection[str]) -> dict[str, Any]:
    """Return the state of a device that another one with the same token takes the place of."""
    return {"addresses": sorted(addresses)[:8]}
