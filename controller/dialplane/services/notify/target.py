"""Apprise, held short: one URL becomes one target; what reaches this machine or its files is refused.

No word of an error here comes from the URL: it holds a token.
"""

import json
import logging
from collections.abc import Collection, Mapping
from html import escape
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.conversion import convert_between
from apprise.manager_plugins import NotificationManager
from apprise.plugins import NotifyBase, url_to_dict

from dialplane.services.notify.errors import cause
from dialplane.services.notify.wording import TITLE_LIMIT, Message

ANSWER_SECONDS: Final = 10.0
"""For a connection, and for each answer on it."""
HEADER: Final = "X-Dialplane-Delivery"
"""Carries the delivery's id where a service's plugin takes headers: webhooks and e-mail."""

_THIS_MACHINE: Final = "it reaches the controller's own machine, where nobody looks"
REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "blink1"), _THIS_MACHINE),
    "syslog": _THIS_MACHINE,
    "rsyslog": "it never says whether anything arrived",
}
"""Services of Apprise that cannot be what is wanted, and why."""

_WEB: Final = {"http": "json", "https": "jsons"}
"""What people write who have a webhook, and what Apprise calls it."""

_FILES: Final = frozenset({"template", "keyfile", "subfile", "pgpkey", "attach"})
"""Arguments of URLs that make Apprise read a file of the controller's machine, and partly send it."""

_OF_EVERY_URL: Final = frozenset({"password", "port", "user"})
_UNLISTED: Final = frozenset({
    "accesstoken", "apikey", "app", "app_id", "app_secret", "botname", "component", "from", "host", "id", "integration",
    "integrationkey", "keyfile", "language", "pass", "project", "secret", "sender", "signature", "source", "tags",
    "tenant", "threadkey", "to", "token", "v", "workflow",
})  # fmt: skip
"""Parameters that plugins of Apprise 1.9 to 1.12 read without listing them (a test looks for more)."""

_BYTES: Final[Mapping[str, int]] = {"bark": 2_500, "barks": 2_500, "wecombot": 2_000, "ntfy": 3_800, "ntfys": 3_800}
"""What a service takes, in bytes of UTF-8, where Apprise counts characters or does not know (Apple's push: 4 KB)."""

_OWN_MARKUP: Final = frozenset({"tgram"})
"""Services of which we write the HTML: Apprise's loses empty lines and blanks. They count a text as people read it."""
_ONES_OWN: Final = frozenset({"mailto", "mailtos", "bark", "barks"})
"""Served by a machine of one's own. Of others Apprise says how many seconds should lie between two; by default many."""
_LEAST: Final = 200
"""Characters that are sent however little a service takes."""


def _quieten() -> None:
    """Keep what Apprise and the libraries below it say from our log; `Target.send` still hears it."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.NullHandler())
    for name in ("urllib3", "requests", "requests_oauthlib", "oauthlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


_quieten()
_ASSET: Final = AppriseAsset(
    app_id="Dialplane",
    app_desc="Dialplane",
    async_mode=False,  # in the caller's thread: Apprise's own pool is one for all, and a stuck service would fill it
    service_timeout=0,  # likewise
    http_redirects=False,
    interpret_emojis=False,
    interpret_escapes=False,
    pgp_autogen=False,
    pem_autogen=False,
    result_log_disk_size=0,
    secure_logging=True,
    storage_mode="memory",
)


class BadTargetError(ValueError):
    """Whoever wrote the Secret must change it; the message says why and holds no part of it."""


def prepare() -> None:
    """Have Apprise read all its plugins: half a second that is better spent before the site is served."""
    NotificationManager().load_modules()  # type: ignore[no-untyped-call]


class Target:
    """Where one Notifier tells; made anew for each attempt, so that threads share nothing."""

    def __init__(self, url: str) -> None:
        """Read an Apprise URL.

        Raises:
            BadTargetError: it is none, or one that is refused.
        """
        self._service = _service(url.strip())
        self._scheme = str(getattr(self._service, "schema", ""))

    @property
    def in_parallel(self) -> bool:
        """Whether the service takes several at a time."""
        return self._scheme in _ONES_OWN or float(self._service.request_rate_per_sec) < 1

    def send(self, words: Message, delivery: str, level: NotifyType = NotifyType.INFO) -> str:
        """Tell it once; blocks.

        Returns:
            Why it failed, in words of ours; empty where the service took it.
        """
        headers = getattr(self._service, "headers", None)
        if isinstance(headers, dict):
            headers[HEADER] = delivery
        teller = Apprise(asset=_ASSET)
        teller.add(self._service)
        title, body, given = words.title, self._fitting(words), "text"
        if self._our_markup:
            title, body, given = escape(title, quote=False), escape(body, quote=False).replace("\n", "&#10;"), ""
        told = teller.notify(body, title, level, body_format=given or None, log_level=logging.DEBUG)
        if told:
            return ""
        return cause(entry.message for result in told.results for entry in result.logs())

    @property
    def _our_markup(self) -> bool:
        return self._scheme in _OWN_MARKUP and self._service.resolve_format() is NotifyFormat.HTML

    def _fitting(self, words: Message) -> str:
        """As much of the text as the service takes, as it is counted there."""
        title = 0 if self._service.title_maxlen > 0 else 2 * TITLE_LIMIT
        room = int(self._service.body_maxlen) - title
        text = words.text()
        while len(text) > _LEAST and (size := self._size(text)) > room:
            text = words.text(max(_LEAST, min(len(text) * room // size, len(text) - 8)))
        limit = _BYTES.get(self._scheme)
        while limit and len(text) > _LEAST and (size := _bytes(text)) > limit:
            text = words.text(max(_LEAST, min(len(text) * limit // size, len(text) - 8)))
        return text

    def _size(self, text: str) -> int:
        """Characters after Apprise's conversion, or units of UTF-16, as some count: the larger."""
        units = len(text.encode("utf-16-le", "replace")) // 2
        if self._our_markup:
            return units
        wanted = self._service.resolve_format(NotifyFormat.TEXT)
        made = convert_between(NotifyFormat.TEXT, wanted, text)  # type: ignore[no-untyped-call]
        return max(len(made), units)


def _bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def _service(url: str) -> NotifyBase:
    parts = _parts(url)
    scheme = str(parts["schema"])
    if scheme in REFUSED:
        raise BadTargetError(f"{scheme}:// is refused: {REFUSED[scheme]}")
    if found := sorted(_FILES & {name.lower() for name in parts.get("qsd", {})}):
        raise BadTargetError(f"{scheme}:// with {found[0]}= is refused: it reads a file of the controller's machine")
    _check_parameters(scheme, {name.lower() for name in parts.get("qsd", {})})
    service = Apprise.instantiate(parts, asset=_ASSET)
    if service is None:
        raise BadTargetError(
            f"Apprise cannot use this {scheme}:// URL: something in it is missing or wrong, or a package is not there"
        )
    # What the URL may say of these is ours to say: a retry within an attempt, or a failure that is told as a success.
    service.retry, service.wait, service.optional = 0, 0, False
    service.redirects = False
    service.socket_connect_timeout = service.socket_read_timeout = ANSWER_SECONDS
    return service


def _check_parameters(scheme: str, names: Collection[str]) -> None:
    """Refuse what Apprise would ignore in silence, such as `proxy=`; whatever is in the URL is not repeated."""
    plugin = NotificationManager()[scheme]  # type: ignore[no-untyped-call]
    has = {name.lower() for name in plugin.template_args} | _OF_EVERY_URL | _UNLISTED
    free = tuple(str(kind.get("prefix", "")) for kind in plugin.template_kwargs.values())
    ignored = [name for name in names if name not in has and not (free and name.startswith(free))]
    if any("prox" in name for name in ignored):
        raise BadTargetError(
            f"{scheme}:// with a proxy is refused: Apprise ignores it. Set HTTPS_PROXY for the controller instead"
        )
    if ignored:
        known = ", ".join(sorted(plugin.template_args))
        raise BadTargetError(f"{scheme}:// has a parameter that it does not know, and would ignore: it knows {known}")


def _parts(url: str) -> dict[str, Any]:
    if "\n" in url or "\r" in url:
        raise BadTargetError("the value has several lines: it must be one Apprise URL")
    scheme, found, _ = url.partition("://")
    scheme = scheme.lower()
    if not found:
        raise BadTargetError("the value is not an Apprise URL: such as mailto://…, tgram://…, json://…")
    if scheme in _WEB:
        words = f"{scheme}:// is no service of Apprise: a webhook is {_WEB[scheme]}://…, others have names of their own"
        raise BadTargetError(words)
    parts = url_to_dict(url)  # type: ignore[no-untyped-call]
    if not parts or not parts.get("schema"):
        known = scheme if scheme in _known() else ""
        raise BadTargetError(
            f"Apprise cannot read this {known}:// URL" if known else "Apprise knows no service of this name"
        )
    return dict(parts)


def _known() -> frozenset[str]:
    return frozenset(NotificationManager().schemas())  # type: ignore[no-untyped-call]
