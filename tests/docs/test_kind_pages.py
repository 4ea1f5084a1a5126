"""The pages of the kinds: what a person wrote, and below it a reference that is never stale."""

import pytest

from dialplane.resources.kinds import KINDS
from dialplane.resources.reference import MARK, page_names, reference_page
from tests.docs.pages import ROOT, blocks

FOLDER = ROOT / "docs" / "kinds"


@pytest.mark.parametrize(("kind", "name"), page_names().items())
def test_the_reference_is_not_stale(kind: str, name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == reference_page(kind, text), "run `make docs`"


@pytest.mark.parametrize(("kind", "name"), page_names().items())
def test_a_person_wrote_an_example(kind: str, name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8").startswith(f"# {kind}\n")
    assert any(f"kind: {kind}\n" in block.text for block in blocks(FOLDER / name) if "manifest" in block.words)


def test_every_kind_has_a_page_and_every_page_a_kind() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == set(page_names().values())


def test_what_a_person_wrote_survives_a_new_reference() -> None:
    made = reference_page("Extension", f"# Extension\n\nMine.\n\n{MARK}\nstale\n")
    assert made.startswith(f"# Extension\n\nMine.\n\n{MARK}\n")
    assert "stale" not in made
    assert reference_page("Extension", made) == made


def test_a_new_page_begins_with_name_and_description() -> None:
    assert reference_page("Extension").startswith(f"# Extension\n\n{KINDS['Extension'].description}\n\n{MARK}")
