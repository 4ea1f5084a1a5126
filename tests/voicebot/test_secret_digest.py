"""What leader and replica compare in order to know that they have the same Secrets."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dialplane.resources.snapshot import Snapshot
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.contract import SecretSource, SiteView
from dialplane.services.site_secrets import SiteSecrets
from dialplane.services.voicebot import desired
from dialplane.services.voicebot.desired import AriAddress, DesiredBots, desired_bot
from dialplane.services.voicebot.secret_digest import secrets_digest
from dialplane.standalone.secret_folder import SecretFolder

ARI = AriAddress("http://192.0.2.1:8088", "ari")
REALTIME: dict[str, Any] = {
    "realtime": {"provider": "openai", "secretRef": {"name": "openai", "key": "key"}, "instructions": "Be short."},
    "fallback": {"to": {"hangup": True}},
}
VALUES = {"ari": {"username": "bots", "password": "of-ari"}, "openai": {"key": "of-openai"}}


def spec(**fields: Any) -> VoiceBotSpec:
    return VoiceBotSpec.model_validate({**REALTIME, **fields})


def of_site(**changes: dict[str, str]) -> SecretSource:
    values = {name: {key: SecretStr(value) for key, value in each.items()} for name, each in (VALUES | changes).items()}
    view = SiteView(Snapshot("office", {}, values))
    return SiteSecrets(lambda: view)


def test_a_site_and_a_folder_with_the_same_values_agree(tmp_path: Path) -> None:
    for name, values in VALUES.items():
        (tmp_path / name).mkdir()
        for key, value in values.items():
            (tmp_path / name / key).write_text(f"{value}\n")
    ours = secrets_digest(spec(), ARI, of_site())
    assert ours == secrets_digest(spec(), ARI, SecretFolder(tmp_path))
    assert ours == secrets_digest(spec(), ARI, of_site(openai={"key": "of-openai\n"}))
    assert "of-" not in ours


def test_each_value_that_matters_makes_another_digest() -> None:
    found = [
        secrets_digest(spec(), ARI, source)
        for source in (
            of_site(),
            of_site(openai={"key": "another"}),
            of_site(openai={}),
            of_site(ari={"username": "bots", "password": "another"}),
        )
    ]
    assert len(set(found)) == len(found)
    assert len({desired_bot(spec(), "UTC", each).digest for each in found}) == len(found)
    assert secrets_digest(spec(), ARI, of_site(other={"key": "of-nobody"})) == found[0]


def test_a_bot_without_secrets_has_no_digest_of_any() -> None:
    engine = {"external": {"url": "https://bots.example.com/call"}}
    assert secrets_digest(spec(realtime=None, engine=engine), ARI, of_site()) == ""


def test_the_view_of_the_replicas_holds_digests_and_no_value() -> None:
    bot = desired_bot(spec(), "Europe/Berlin", secrets_digest(spec(), ARI, of_site()))
    view = desired.to_json(DesiredBots(ARI, {"desk": bot}))
    assert desired.from_json(view) == DesiredBots(ARI, {"desk": bot})
    assert "of-openai" not in str(view)
    assert "of-ari" not in str(view)
