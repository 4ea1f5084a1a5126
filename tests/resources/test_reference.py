"""The reference tells of every field, from the same schema that the API server enforces."""

import pytest

from dialplane.resources.kinds import KINDS
from dialplane.resources.reference import UnknownNameError, entries, explain, reference_markdown


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: str) -> None:
    found = [
        *entries(KINDS[kind].spec_schema, "spec"),
        *entries(KINDS[kind].status_schema, "status"),
    ]
    assert [entry.path for entry in found if not entry.schema.get("description", "").endswith(".")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_row_for_every_field_and_no_broken_row(kind: str) -> None:
    page = reference_markdown(kind)
    for entry in entries(KINDS[kind].spec_schema, "spec"):
        assert f"| `{entry.path}` |" in page
    for line in page.splitlines():
        if line.startswith("| `spec"):
            assert line.replace("\\|", "").count("|") == 5, line


@pytest.mark.parametrize("word", ["Extension", "extensions", "extension", "exten", "EXTENSIONS.dialplane.io"])
def test_a_kind_goes_by_all_its_names(word: str) -> None:
    assert explain(word) == explain("Extension")


def test_a_field_is_explained_with_its_default_and_what_is_in_it() -> None:
    text = explain("exten", "voicemail")
    assert text == explain("exten", "spec.voicemail")
    assert "FIELD:    spec.voicemail <object>" in text
    assert "attachAudio <boolean> default true" in text


def test_lists_are_looked_through() -> None:
    assert "ringGroup <object>" in explain("siptrunk", "spec.inbound.to")
    assert explain("siptrunk", "spec.inbound[].to") == explain("siptrunk", "inbound.to")


@pytest.mark.parametrize(
    ("kind", "path", "hint"),
    [
        ("Extensoin", "", "did you mean Extension?"),
        ("Extension", "voicemial", "did you mean voicemail?"),
        ("Extension", "spec.number.x", "Extension.spec.number has no fields"),
    ],
)
def test_a_wrong_name_gets_the_nearest(kind: str, path: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint.replace("?", r"\?")):
        explain(kind, path)
