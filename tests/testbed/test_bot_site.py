"""Where a site's bots look for Asterisk is where the test bed puts it."""

from pathlib import Path

from testbed.bootstrap import Account
from testbed.bot_site import numbers_of_bots, rest_interface

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_says_the_account_the_port_and_whom_to_dial() -> None:
    site = EXAMPLES / "voice-bot"
    assert rest_interface(site) == (Account("bots", "example-password-of-bots"), 8088)
    assert numbers_of_bots(site) == ["100"]
    assert (rest_interface(EXAMPLES / "office"), numbers_of_bots(EXAMPLES / "office")) == (None, [])
