"""Voicemail by e-mail: a real Asterisk, its spool, and a real mail server. No message is lost, whatever fails."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from dialplane.resources.conditions import Condition, ConditionType
from dialplane.resources.key import Key
from dialplane.services.voicemail.service import Timing, VoicemailService
from dialplane.store import Store
from testbed.certificates import Authority
from testbed.mail_server import PASSWORD, USER
from testbed.manifests import Manifest
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK, lease
from tests.eventually import eventually
from tests.reconcile.site_rig import FAST, Rig, extension
from tests.voicemail.spool import Spool

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = Timing(look=0.05, count=0.1, probe=0.2, first=0.1, longest=0.3)
_IDS = itertools.count(1)


@dataclass
class Office:
    """A rig with mailboxes, and the mail server."""

    rig: Rig
    spool: Spool
    directory: Path
    authority: Authority
    server: PeerProcess | None = None
    port: int = 0
    store: Store = field(init=False)

    def new_store(self, path: Path) -> None:
        self.store = Store.open(f"sqlite:///{path}/store.db")

    async def serve(self) -> PeerProcess:
        """Start the mail server, where it was before."""
        options: dict[str, Any] = {"port": self.port, "certificate": self.directory / "server.pem"}
        self.server = await PeerProcess.launch("mail_server", self.directory / "mail.log", options, name="mail")
        return self.server

    def apply(self, *boxes: Manifest, **server: Any) -> None:
        """The site: a mail server, and these extensions."""
        mail = {"host": LOOPBACK, "port": self.port, "credentialsSecretRef": {"name": "mail"}}
        mail |= {"caSecretRef": {"name": "authority"}} | server
        self.rig.source.secret("mail", username=USER, password=PASSWORD)
        self.rig.source.secret("authority", **{"ca.crt": self.authority.certificate})
        self.rig.source.secret("pin", pin="4711")
        voicemail = {"path": str(self.spool.path), "mail": {"from": "pbx@example.com", "server": mail}}
        self.rig.put(self.rig.pbx(voicemail=voicemail), *boxes)

    def condition(self, name: str = "e101") -> Condition | None:
        history = self.rig.sink.history
        report = history[-1].get(Key("Extension", name)) if history else None
        return report.condition(ConditionType.MAIL_DELIVERABLE) if report else None

    async def says(self, status: str, words: str = "", name: str = "e101") -> str:
        """Wait until that is the condition; its message."""

        def so() -> bool:
            found = self.condition(name)
            return found is not None and found.status == status and words in found.message

        await self.rig.until(so, 20)
        found = self.condition(name)
        return found.message if found else ""

    async def until(self, true: Callable[[], bool]) -> None:
        await eventually(true)

    def leave(self, mailbox: str = "101", **fields: Any) -> tuple[str, str]:
        """A message; its id and the digest of its audio."""
        id_ = f"1796024943-{next(_IDS):08}"
        return id_, self.spool.leave(mailbox, id_, **fields)

    @property
    def mails(self) -> list[dict[str, Any]]:
        """What the server took since it was started."""
        assert self.server is not None
        received = [event for event in self.server.events if event["event"] == "received"]
        return [event for event in received if event["answer"].startswith("250")]


def box(number: str, *, delete: bool = True, **fields: Any) -> Manifest:
    given = {"pinSecretRef": {"name": "pin", "key": "pin"}, "email": f"box-{number}@example.com"}
    return extension(number, voicemail=given | {"deleteAfterEmail": delete} | fields)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    directory = tmp_path_factory.mktemp("voicemail")
    authority = Authority.create("Authority of the test")
    pair = authority.vouch(f"IP:{LOOPBACK}")
    (directory / "server.pem").write_text(pair.certificate + pair.key)
    offices: list[Office] = []
    ports = lease()
    timing = replace(FAST, lost_grace=5.0)
    services = lambda: (VoicemailService(offices[0].store, "test", timing=QUICK),)  # noqa: E731 -- a field's value
    async with Rig(directory, timing=timing, services=services) as rig:
        spool = Spool(rig.asterisk.settings.directories.spool / "voicemail")
        offices.append(Office(rig, spool, directory, authority, port=ports.take()))
        yield offices[0]
    ports.release()


@pytest_asyncio.fixture(loop_scope="module")
async def office(site: Office, tmp_path: Path) -> AsyncIterator[Office]:
    site.new_store(tmp_path)
    site.rig.sink.history.clear()
    await site.serve()
    yield site
    await site.rig.end()
    if site.server is not None:
        await site.server.stop()
    site.store.close()
    site.rig.source.manifests.clear()
    for text in site.spool.path.rglob("msg*"):
        text.unlink()


async def test_a_message_is_mailed_with_its_audio_and_deleted_only_then(office: Office) -> None:
    assert office.server is not None
    office.apply(box("101"))
    office.rig.run()
    assert await office.says("True") == "the mail server takes mail"
    await office.server.ask("behave", hang=1.0)
    id_, digest = office.leave(caller='"Bob" <+15550177>')
    await office.server.event("received")
    assert office.spool.ids("101") == [id_], "deleted before the server had taken it"
    await office.until(lambda: not office.spool.ids("101"))
    (mail,) = office.mails
    assert mail["to"] == ["box-101@example.com"]
    assert mail["headers"]["From"] == "pbx@example.com"
    assert 'from "Bob" <+15550177> (0:07)' in mail["subject"]
    assert [part["sha256"] for part in mail["attachments"]] == [digest]
    users = await office.rig.asterisk.console("voicemail show users")
    assert users.splitlines()[1].split()[-1] == "0", "Asterisk counts a message that is gone"


async def test_a_message_that_is_to_stay_is_mailed_once_over_restarts_too(office: Office) -> None:
    office.apply(box("101", delete=False, attachAudio=False))
    office.rig.run()
    await office.says("True")
    first, _ = office.leave()
    await office.until(lambda: len(office.mails) == 1)
    await office.rig.rerun()
    await office.says("True")
    second, _ = office.leave()
    await office.until(lambda: len(office.mails) == 2)
    await asyncio.sleep(0.5)  # several looks
    assert [mail["headers"]["Message-ID"].partition(".")[0] for mail in office.mails] == [f"<{first}", f"<{second}"]
    assert office.mails[0]["attachments"] == []
    assert office.spool.ids("101") == [first, second]


async def test_while_the_server_is_away_a_message_is_kept_and_a_condition_says_so(office: Office) -> None:
    assert office.server is not None
    office.apply(box("101"))
    office.rig.run()
    await office.says("True")
    await office.server.stop()
    id_, _ = office.leave()
    said = await office.says("False", "kept in the mailbox: 1")
    assert said.startswith(f"mail server {LOOPBACK}:{office.port}: Connection refused")
    assert office.spool.ids("101") == [id_]
    assert office.rig.says("e101", "Verified"), "calls go on"
    await office.serve()
    await office.until(lambda: len(office.mails) == 1 and not office.spool.ids("101"))
    await office.says("True")


async def test_a_server_that_is_away_is_known_before_the_first_message(office: Office) -> None:
    assert office.server is not None
    await office.server.stop()
    office.apply(box("101"))
    office.rig.run()
    await office.says("False", "Connection refused")


async def test_what_waits_while_no_controller_runs_is_mailed_when_one_does(office: Office) -> None:
    office.apply(box("101"))
    office.rig.run()
    await office.says("True")
    await office.rig.end()
    office.leave()
    office.leave()
    office.rig.run()
    await office.until(lambda: len(office.mails) == 2 and not office.spool.ids("101"))


async def test_one_address_that_is_refused_holds_up_no_other(office: Office) -> None:
    assert office.server is not None
    await office.server.ask("behave", unknown=["box-101@example.com"])
    office.apply(box("101"), box("102"))
    office.rig.run()
    await office.says("True")
    id_, _ = office.leave("101")
    office.leave("102")
    await office.says("False", "refuses the address (SMTP 550); kept in the mailbox: 1")
    await office.until(lambda: [mail["to"] for mail in office.mails] == [["box-102@example.com"]])
    await office.says("True", name="e102")
    assert office.spool.ids("101") == [id_]
    await office.server.ask("behave")
    await office.until(lambda: not office.spool.ids("101"))
    await office.says("True")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"credentialsSecretRef": {"name": "guess"}}, "refuses the account (SMTP 535)"),
        ({"caSecretRef": {"name": "stranger"}}, "its certificate is not trusted"),
        ({"security": "tls"}, "no encrypted connection"),
        ({"credentialsSecretRef": {"name": "nowhere"}}, "a Secret of the mail server is missing"),
    ],
)
async def test_a_server_that_cannot_be_used_is_told_and_no_secret_is(
    office: Office, wrong: dict[str, Any], why: str
) -> None:
    office.rig.source.secret("guess", username=USER, password="secret-guess")
    office.rig.source.secret("stranger", **{"ca.crt": Authority.create("Another").certificate})
    with capture_logs() as logs:
        office.apply(box("101"), **wrong)
        office.rig.run()
        id_, _ = office.leave()
        await office.says("False", why)
    assert office.spool.ids("101") == [id_]
    for secret in ("secret-guess", PASSWORD):
        assert secret not in str(logs)
        assert secret not in str(office.rig.sink.history)


async def test_messages_of_before_are_not_mailed(office: Office) -> None:
    old, _ = office.leave(at=1_700_000_000)
    office.apply(box("101"))
    office.rig.run()
    await office.says("True")
    office.leave()
    await office.until(lambda: len(office.mails) == 1 and office.spool.ids("101") == [old])


async def test_without_the_right_to_delete_a_message_is_mailed_once_and_kept(office: Office) -> None:
    account = office.rig.asterisk.settings.controller
    office.rig.source.secret("weak", username=account.name, password=account.secret)
    office.apply(box("101"))
    pbx = office.rig.source.manifests[Key("Asterisk", "pbx")]
    office.rig.put({**pbx, "spec": pbx["spec"] | {"ami": {"callsCredentialsSecretRef": {"name": "weak"}}}})
    office.rig.run()
    await office.says("True")
    id_, _ = office.leave()
    await office.says("False", "add user to its write =")
    assert (len(office.mails), office.spool.ids("101")) == (1, [id_])


async def test_a_folder_that_is_not_asterisks_is_told(office: Office) -> None:
    office.apply(box("101"))
    pbx = office.rig.source.manifests[Key("Asterisk", "pbx")]
    elsewhere = office.directory / "elsewhere"
    elsewhere.mkdir()
    other = pbx["spec"]["voicemail"] | {"path": str(elsewhere / "voicemail")}
    office.rig.put({**pbx, "spec": pbx["spec"] | {"voicemail": other}})
    office.leave()
    office.rig.run()
    await office.says("False", f"messages that are not in {elsewhere}")


async def test_a_broken_message_is_told_and_holds_up_no_other(office: Office) -> None:
    office.apply(box("101"))
    office.rig.run()
    await office.says("True")
    place = office.spool.path / "default" / "101" / "INBOX"
    place.mkdir(parents=True, exist_ok=True)
    (place / "msg0000.txt").write_text("[message]\norigtime=1\n")
    office.leave()
    await office.says("False", "msg0000.txt: no msg_id")
    await office.until(lambda: len(office.mails) == 1)
