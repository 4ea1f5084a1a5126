"""The Markdown of a diff: however much differs, it fits into a comment, and names what it leaves out."""

import shutil
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.cli.comparison import Change, Comparison, ResourceChange
from dialplane.cli.diff_page import LIMIT, page
from dialplane.resources.key import Key
from tests.cli.bad_input import OFFICE
from tests.forks import dialplane

PLATFORMS = 65_536


def large_site(folder: Path, word: str) -> None:
    phones = [
        f"---\napiVersion: dialplane.io/v1alpha1\nkind: Extension\nmetadata: {{name: e{number}}}\nspec:\n"
        f'  number: "{number}"\n  displayName: {word} {number}\n  credentialsSecretRef: {{name: p{number}}}\n'
        for number in range(1000, 1800)
    ]
    folder.mkdir()
    (folder / "site.yaml").write_text(OFFICE + "".join(phones))


def test_a_long_diff_is_cut_and_says_so(tmp_path: Path) -> None:
    large_site(tmp_path / "old", "Desk")
    large_site(tmp_path / "new", "Desc")
    ended = dialplane("diff", "-f", "new", "--against", "old", "-o", "markdown", cwd=tmp_path)
    assert ended.returncode == 1
    assert len(ended.stdout.encode()) <= LIMIT < PLATFORMS
    text = ended.stdout
    assert "**800 resources** change (800 changed). Asterisk needs: reload of res_pjsip.so." in text
    assert "`dialplane diff` without `-o markdown` shows all of it" in text
    assert all(f"Extension/e{number}`" in text for number in range(1000, 1800))
    assert " more lines\n" in text
    assert "**1 of the files are cut**: `pjsip_endpoint.conf`" in text
    assert text.count("<details>") == text.count("</details>") == 1
    shutil.rmtree(tmp_path / "new")
    large_site(tmp_path / "new", "Desk")
    assert (
        "Nothing changes" in dialplane("diff", "-f", "new", "--against", "old", "-o", "markdown", cwd=tmp_path).stdout
    )


WORDS = st.text(st.sampled_from("ab`|<é\U0001f600\\"), max_size=30)
CHANGES = st.builds(
    ResourceChange,
    st.builds(Key, st.just("Extension"), WORDS),
    st.sampled_from(Change),
    st.lists(st.tuples(WORDS, st.sampled_from(Change)), max_size=3).map(tuple),
)


@settings(deadline=None, max_examples=60)
@given(
    changes=st.lists(CHANGES, max_size=4),
    problems=st.lists(WORDS, max_size=4),
    files=st.lists(st.tuples(WORDS, st.lists(WORDS.map("+{}".format), max_size=5)), max_size=4),
    times=st.tuples(*[st.sampled_from([1, 50, 3_000])] * 3),
)
def test_it_always_fits_and_counts_what_it_leaves_out(
    changes: list[ResourceChange], problems: list[str], files: list[tuple[str, list[str]]], times: tuple[int, int, int]
) -> None:
    changes, problems = changes * times[0], problems * times[1]
    files = [(name, lines * times[2]) for name, lines in files]
    text = page(Comparison({"x": ("", "")}, tuple(changes)), "nothing", problems, files)
    assert len(text.encode()) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert f"**{len(changes)} resource" in text
    if "so cut" not in text:
        assert text.count("| `") == len(changes)
        assert all("\n".join(lines) in text for _, lines in files)


def test_a_line_that_is_longer_than_a_comment_is_left_out() -> None:
    lines = ["@@ -1 +1 @@", "+" + "é" * LIMIT]
    text = page(Comparison({"x": ("", "")}), "nothing", [], [("a.conf", lines), ("b.conf", ["+short"])])
    assert len(text.encode()) <= LIMIT
    assert "+short" in text
    assert "**1 of the files are cut**: `a.conf`" in text
