"""Documents: values, lines, and limits."""

import time

import pytest

from dialplane.standalone.document import BrokenYaml, documents

TEXT = """\
# a comment
spec:
  number: "101"
  inbound:
    - did: "1"
      to: {extension: "101"}
    -
      did: "2"
---
second: true
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 2),
        ("spec", 2),
        ("spec.number", 3),
        ("spec.inbound", 4),
        ("spec.inbound[0]", 5),
        ("spec.inbound[0].did", 5),
        ("spec.inbound[0].to.extension", 6),
        ("spec.inbound[1].did", 8),
        ("spec.inbound.1.did", 8),
        ("spec.missing", 2),
        ("spec.inbound[7].did", 4),
    ],
)
def test_every_field_knows_its_line(path: str, line: int) -> None:
    assert next(documents(TEXT)).lines.at(path) == line


def test_documents_after_the_first_count_on() -> None:
    first, second = documents(TEXT)
    assert second.value == {"second": True}
    assert second.lines.at("second") == 10
    assert first.value["spec"]["inbound"][1] == {"did": "2"}


def test_an_alias_within_limits_stands_for_its_value() -> None:
    (document,) = documents("a: &x {b: [1, 2]}\nc: *x\n")
    assert document.value == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "a: " + "{a: " * 200_000,
        "".join(" " * depth + "a:\n" for depth in range(1_000)),
        "- " * 300_000,
        "a: &a [" + "x, " * 1000 + "]\nb: [" + "*a, " * 50_000 + "]\n",
        "? " * 300_000,
    ],
    ids=["brackets", "braces", "indentation", "dashes", "aliases", "question marks"],
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(BrokenYaml):
        list(documents(text))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("ä: b\n\tc: d\n", 2, "a tab: indent with spaces"),
        ("ä: 1\nö: @b\n", 2, "text may not start with @: quote it"),
        ("a: ü\nc: \x07\n", 2, "the character U+0007 may not stand in YAML: remove it"),
        ("a:\n  - [1, 2\n", 2, "a bracket that is opened here is never closed: close it"),
        ("a:\n  - [\n\n", 2, "a bracket that is opened here is never closed: close it"),
        ("a:\n  - {b: c\n", 2, "a bracket that is opened here is never closed: close it"),
        ("a: [b}\n", 1, "a list or mapping in brackets that is opened here goes wrong: check it"),
        ("a: b\nc: 'd\n---\ne: f\n", 2, "a quote that is opened here is never closed: close it"),
        ("a:\n  b: 1\n c: 2\n", 3, "the indentation does not fit the lines above: align it"),
        ("- a\nb: c\n", 2, "the indentation does not fit the lines above: align it"),
        ("a: b\nc\nd: e\n", 3, "a key without ':' after it: add it"),
        (
            "a: b\n<<<<<<< HEAD\nc: 1\n=======\nc: 2\n>>>>>>> x\n",
            2,
            "a merge that nobody resolved: keep one side, without the lines of < = >",
        ),
        ("a: b\nc: d: e\n", 2, "a ':' where none may be: check the indentation, or quote text"),
    ],
)
def test_what_is_broken_is_said_with_its_line_and_cure(text: str, line: int, said: str) -> None:
    with pytest.raises(BrokenYaml) as caught:
        list(documents(text))
    assert (caught.value.line, str(caught.value).removeprefix("broken YAML: ")) == (line, said)
