"""What an on-call engineer needs to see of devices (Prometheus). docs/operations.md explains each.

No label names a device.
"""

from prometheus_client import Counter, Gauge

DEVICES = Gauge("dialplane_devices", "Devices in lifts that are let in, by whether they are online.", ["state"])
TRANSITIONS = Counter("dialplane_device_transitions_total", "Devices that went online or offline.", ["state"])
ALARMS = Gauge("dialplane_elevator_alarms", "Emergencies in lifts that nobody has declared over, by state.", ["state"])
TEST_CALLS = Counter("dialplane_elevator_test_calls_total", "Test calls of cabins' telephones that were recorded.")
OVERDUE = Gauge("dialplane_elevator_test_calls_overdue", "Telephones of cabins whose test call is overdue.")
CALLBACKS = Counter("dialplane_device_callbacks_total", "Callbacks of devices that were tried, by result.", ["result"])
PENDING = Gauge("dialplane_device_callbacks_pending", "Callbacks of devices that are due and not taken yet.")
ENDED = Counter("dialplane_device_commands_overdue_total", "Commands that the leader ended, by state.", ["state"])


def forget() -> None:
    """Say nothing of the devices any more: another process leads."""
    for gauge in (DEVICES, ALARMS):
        gauge.clear()
    for gauge in (OVERDUE, PENDING):
        gauge.set(0)
