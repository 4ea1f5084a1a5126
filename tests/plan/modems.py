"""Modems of both drivers, with all that they may say, and what sends and tells by them."""

from tests.plan.office import manifest

MODEMS = [
    manifest(
        "Dongle",
        "gsm-1",
        {
            "imei": "354000000000119",
            "imsi": "262000000000011",
            "group": "all",
            "rxGain": -3,
            "txGain": 4,
            "language": "de",
            "initialState": "stop",
            "inbound": {"to": {"ringGroup": {"members": ["101", "103"], "noAnswer": {"hangup": True}}}},
            "sms": {"forwardTo": ["boss"]},
        },
    ),
    manifest(
        "Dongle",
        "gsm-2",
        {
            "driver": "chan_quectel",
            "audioPort": "/dev/ttyUSB1",
            "dataPort": "/dev/serial/by-id/usb-Quectel_EC25-if02",
            "inbound": {"to": {"extension": "101"}},
        },
    ),
    manifest("Dongle", "gsm-3", {"imsi": "262000000000033"}),
    manifest("Notifier", "boss", {"urlSecretRef": {"name": "boss", "key": "url"}, "events": ["sms.failed"], "template": "{{ text }}"}),
    manifest("SmsMessage", "hello", {"dongle": "gsm-2", "to": "+4915112345", "text": "a;b\n[c]\n#include d"}),
    manifest("SmsMessage", "by-group", {"dongleGroup": "all", "to": "0151", "text": "👋"}),
]  # fmt: skip

MODEM_SECRETS = {"boss": {"url": "json://boss.example.com/?a=b"}}
