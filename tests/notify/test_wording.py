"""The words of a notification, and what a template may not do."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.services.notify.wording import CUT, LIMIT, BadTemplateError, Message, MessageTemplate

MESSAGE = {
    "event": "sms.received",
    "subject": "Dongle/gsm1",
    "kind": "Dongle",
    "name": "gsm1",
    "at": "2026-04-03T08:30:00Z",
    "id": "0123abcd",
    "count": 1,
    "site": "office",
    "sender": "+15550100",
    "text": "Hello",
    "dongle": "gsm1",
}


def test_the_default_says_what_happened_and_closes_with_the_id() -> None:
    words = MessageTemplate().words(MESSAGE)
    assert words.title == "SMS from +15550100"
    assert words.text() == "Hello\n\noffice · Dongle/gsm1 · 2026-04-03T08:30:00Z · id 0123abcd"


def test_a_folded_one_says_how_often() -> None:
    words = MessageTemplate().words(
        MESSAGE | {"event": "dongle.offline", "count": 12, "text": None, "reason": "NotConnected"}
    )
    assert (words.title, words.body) == ("Dongle gsm1 is offline (12 times)", "NotConnected")


def test_a_template_is_used_as_it_is() -> None:
    template = "{% if sender == '+15550100' %}Boss{% else %}{{ sender }}{% endif %}: {{ text | upper }}{{ reason }}"
    words = MessageTemplate("{{ event }}\nat {{ site }}", template).words(MESSAGE)
    assert words == Message("sms.received at office", "Boss: HELLO")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=300))
def test_a_message_is_never_read_as_a_template(text: str) -> None:
    for attack in (text, f"{{{{ {text} }}}}", f"{{% {text} %}}{{{{ 7 * 7 }}}}{{# x"):
        values = MESSAGE | {"text": attack, "sender": attack}
        assert MessageTemplate(None, "{{ text }}|{{ sender }}").words(values).body == f"{attack}|{attack}"
        assert MessageTemplate().words(values).body == (attack or f"SMS from {attack}")


def test_a_long_text_is_cut_with_a_mark_and_keeps_its_closing_line() -> None:
    words = MessageTemplate().words(MESSAGE | {"text": "x" * 100_000})
    assert len(words.text()) == LIMIT
    assert words.text().endswith(f"{CUT}\n\noffice · Dongle/gsm1 · 2026-04-03T08:30:00Z · id 0123abcd")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for i in range(1000000000) %}x{% endfor %}", "line 1: a loop is not for templates of notifications"),
        ("{{ 9 ** 9 ** 9 }}", "line 1: `Pow` is not for"),
        ("{{ 'x' * 999999999 }}", "line 1: `Mul` is not for"),
        ("{{ '%999999999d' % 1 }}", "line 1: `Mod` is not for"),
        ("{{ text|center(999999999) }}", "there is no filter center"),
        ("{% set x = text ~ text %}{{ x }}", "line 1: an assignment is not for"),
        ("{{ text.upper() }}", "line 1: a call is not for"),
        ("{{ ''.__class__ }}", "line 1: an attribute (a dot) is not for"),
        ("a\n{% include '/etc/passwd' %}", "line 2: an include is not for"),
        ("{{ sendr }}", "there is no sendr; there are at, count,"),
        ("{{ text", "line 1: unexpected end of template"),
        ("{{ " + "(" * 3000 + "text", "it is nested too deeply"),
        ("{{ text" + "|upper" * 33 + " }}", "it has more than 32 filters"),
        ("{% if text %}" * 300 + "{% endif %}" * 300, "it is nested too deeply"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_what_could_run_for_ever_or_look_around_is_refused(template: str, why: str) -> None:
    started = time.process_time()
    with pytest.raises(BadTemplateError) as caught:
        MessageTemplate(None, template)
    assert str(caught.value).startswith(f"spec.template: {why}")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "template",
    [
        "{{ text" + "|tojson" * 32 + " }}",
        "{{ text" + "|replace('x', text)" * 32 + " }}",
        "{{ text" + "|urlencode" * 32 + " }}",
        "{{ " + " ~ ".join(["text"] * 400) + " }}",
    ],
    ids=["quotes", "replace", "percent", "concatenated"],
)
def test_no_template_grows_without_bound(template: str) -> None:
    started = time.process_time()
    words = MessageTemplate(None, template).words(MESSAGE | {"text": 'x"' * 5000})
    assert len(words.body) <= LIMIT
    assert time.process_time() - started < 2


def test_a_template_that_fails_with_these_values_says_so_without_them() -> None:
    with pytest.raises(BadTemplateError, match=r"^the template fails: ValueError$"):
        MessageTemplate(None, "{{ text[::0] }}").words(MESSAGE)
