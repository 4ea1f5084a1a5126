"""Reading of Apprise URLs: what is refused and why; and that no word of them gets out."""

import inspect
import logging
import re
import sys

import pytest
from apprise.manager_plugins import NotificationManager

from dialplane.services.notify.errors import cause
from dialplane.services.notify.target import _FILES, _OF_EVERY_URL, _UNLISTED, ANSWER_SECONDS, BadTargetError, Target
from dialplane.services.notify.wording import Message

TOKEN = "T0KEN9876543210"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"nosuch://{TOKEN}", "Apprise knows no service of this name"),
        (f"{TOKEN}", "the value is not an Apprise URL"),
        (f"json://a.example/{TOKEN}\njson://b.example", "the value has several lines"),
        (f"tgram://{TOKEN}", "Apprise cannot read this tgram:// URL"),
        ("json://", "Apprise cannot read this json:// URL"),
        ("", "the value is not an Apprise URL"),
        ("syslog://", "syslog:// is refused: it reaches the controller's own machine"),
        ("windows://", "windows:// is refused"),
        ("dbus://", "dbus:// is refused"),
        (f"tgram://123456789:{TOKEN}/1?proxy=http://{TOKEN}", "tgram:// with a proxy is refused: Apprise ignores it"),
        (f"json://127.0.0.1/?tiemout={TOKEN}", "json:// has a parameter that it does not know, and would ignore: it knows"),
        (f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/?template=/etc/passwd", "slack:// with template= is refused"),
        (f"mailto://{TOKEN}:x@example.com?pgp=yes&pgpkey=/etc/passwd", "mailto:// with pgpkey= is refused"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_without_a_word_of_it(url: str, why: str) -> None:
    with pytest.raises(BadTargetError) as caught:
        Target(url)
    assert str(caught.value).startswith(why)
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1/?+X-Key=1&-page=2&:field=x&method=put&verify=no",
        "mailto://a:b@127.0.0.1?from=a@b.cd&to=c@d.ef&name=Ada&smtp=mail.example.com&mode=ssl",
        "bark://127.0.0.1/key/?sound=alarm&group=pbx",
    ],
)
def test_what_a_service_reads_may_stand_in_its_url(url: str) -> None:
    assert Target(url)


def test_every_parameter_that_a_plugin_reads_is_known() -> None:
    """A newer Apprise that reads more would have a good URL refused: this says which name to add."""
    manager = NotificationManager()
    manager.load_modules()
    for scheme in manager.schemas():
        source = inspect.getsource(sys.modules[manager[scheme].__module__])
        read = {name.lower() for name in re.findall(r"""\[["']qsd["']\]\[["']([A-Za-z_]+)["']\]""", source)}
        unknown = read - {name.lower() for name in manager[scheme].template_args} - _OF_EVERY_URL - _UNLISTED
        assert unknown <= _FILES | {"tags", "v"}, scheme


def test_what_a_url_says_of_limits_and_of_success_does_not_count() -> None:
    service = Target("json://127.0.0.1/?rto=3600&cto=3600&retry=9&wait=60&optional=yes&redirect=yes")._service
    assert service.request_timeout == (ANSWER_SECONDS, ANSWER_SECONDS)
    assert (service.retry, service.optional, service.redirects) == (0, False, False)


def test_nothing_of_a_url_gets_into_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        words = Message("title", "body")
        assert Target(f"json://user:{TOKEN}@127.0.0.1:9/{TOKEN}").send(words, "id") == "connection refused"
        assert Target(f"mailto://a:{TOKEN}@127.0.0.1:9?from=a@b.cd&to=c@d.ef").send(words, "id") == "connection refused"
        with pytest.raises(BadTargetError):
            Target(f"tgram://{TOKEN}")
    finally:
        logging.getLogger().setLevel(before)
        logging.getLogger().removeHandler(handler)
    said = capfd.readouterr()
    assert TOKEN not in said.out + said.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"Failed to send to {TOKEN}: Forbidden - Invalid token, error=403.", "HTTP 403"),
        (f"Socket Exception: (535, b'5.7.8 {TOKEN} refused')", "SMTP 535"),
        (f"Socket Exception: HTTPSConnectionPool: /bot{TOKEN}: Read timed out. (read timeout=10)", "no answer in time"),
        ("Socket Exception: [Errno -2] Name or service not known", "unknown host"),
        ("Socket Exception: SSLError(CERTIFICATE_VERIFY_FAILED)", "the server's certificate is not trusted"),
        ("Socket Exception: ('Connection aborted.', RemoteDisconnected())", "connection cut"),
        (f"{TOKEN}", "the service did not take it"),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_its_class_alone(line: str, said: str) -> None:
    assert cause(["Loaded", line]) == said
