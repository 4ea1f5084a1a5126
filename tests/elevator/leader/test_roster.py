"""Which devices there are, and who of them is let in with what."""

from dialplane.services.elevator.desired import Command, Profile
from dialplane.services.elevator.leader.roster import roster, served
from dialplane.services.elevator.tables.devices import Registered, digest
from tests.databases import NOW
from tests.elevator.leader.lifts import CABIN, lift, lifts, view

PROFILE = {
    "heartbeat": {"intervalSeconds": 10, "timeoutSeconds": 60},
    "allowedCommands": [{"name": "REBOOT", "kind": "physical"}, {"name": "SNAPSHOT", "kind": "safe"}],
}


def registered(name: str, location: str | None = None, profile: str | None = None) -> dict[str, Registered]:
    return {name: Registered(name, location, profile, digest(f"ours-{name}"), "installer", NOW)}


def test_a_device_shows_the_token_of_its_secret() -> None:
    found = lifts(lift("a", **PROFILE))["a"]
    assert found.token_digest == digest("token-of-a-000")
    assert found.profile == Profile(10, 60, {"REBOOT": Command(physical=True), "SNAPSHOT": Command(physical=False)})


def test_without_a_secret_it_shows_the_token_that_was_made_for_it() -> None:
    plain = lift("a", tokenSecretRef=None)
    assert roster(view(plain), {})["a"].token_digest is None
    assert roster(view(plain), registered("a"))["a"].token_digest == digest("ours-a")
    assert roster(view(lift("a")), registered("a"))["a"].token_digest == digest("token-of-a-000")


def test_who_registered_has_the_settings_of_its_profile_without_its_telephone() -> None:
    found = roster(view(lift("kind-a", **PROFILE, **CABIN)), registered("dev_1", "Tower 7", "kind-a"))["dev_1"]
    assert (found.location, found.profile.timeout_seconds, found.key) == ("Tower 7", 60, None)
    assert (found.cabin, found.test_call_age) == (None, None)


def test_who_registered_with_a_profile_that_is_gone_may_be_sent_nothing() -> None:
    found = roster(view(lift("other")), registered("dev_1", "Tower 7", "kind-a"))["dev_1"]
    assert found.profile == Profile()
    assert found.connects


def test_who_is_disabled_or_refused_by_the_plan_is_not_let_in() -> None:
    off, bad = lift("off", enabled=False, **CABIN), lift("bad", **CABIN)
    found = roster(view(lift("a"), off, refused=[bad]), {})
    assert served(found).keys() == {"a"}
    assert (found["off"].cabin, found["bad"].cabin) == ("101", "101")  # whoever is stuck in one must be heard
