"""What a token may do, by the lines of its file."""

from pathlib import Path

import pytest

from dialplane.api.scopes import EVERYTHING, BadScopeError, Scopes, parse
from dialplane.api.tokens import LONGEST, Tokens, make_local_token
from dialplane.cli.client.discovery import place
from dialplane.services.registry import scopes

TOKEN = "the-token-of-the-tests"


def of(*lines: str) -> Scopes:
    return parse(enumerate(lines, start=2), scopes())


def holder(folder: Path, content: str, token: str = TOKEN) -> Scopes | None:
    (folder / "ci").write_text(content)
    found = Tokens(folder, scopes()).holder_of(token)
    return found.scopes if found else None


@pytest.mark.parametrize("lines", [(), ("",), ("", "")], ids=str)
def test_without_a_scope_a_token_is_for_everything(lines: tuple[str, ...]) -> None:
    granted = of(*lines)
    assert granted == EVERYTHING
    assert granted.covers("sms")
    assert granted.covers("notifications")
    assert granted.reach("infinity", "manage") is None


@pytest.mark.parametrize(
    ("line", "rights"),
    [
        ("infinity:read:acme", {"read"}),
        ("infinity:call:acme", {"read", "call"}),
        ("infinity:manage:acme", {"read", "manage"}),
        ("sms", set()),
        ("notifications", set()),
    ],
)
def test_a_scope_allows_what_it_says_and_reading(line: str, rights: set[str]) -> None:
    for granted, every in ((of(line), False), (of(line.replace("acme", "*")), True)):
        for right in ("read", "call", "manage"):
            assert granted.allows("infinity", right, "acme") == (right in rights)
            assert granted.allows("infinity", right, "globex") == (every and right in rights)
        assert granted.covers("sms") == (line == "sms")
        assert granted.covers("notifications") == (line == "notifications")


def test_scopes_add_up_and_each_tenant_has_its_own() -> None:
    granted = of("infinity:call:acme", "", "infinity:manage:globex", "notifications")
    assert granted.reach("infinity", "read") == {"acme", "globex"}
    assert (granted.reach("infinity", "call"), granted.reach("infinity", "manage")) == ({"acme"}, {"globex"})


@pytest.mark.parametrize(
    "line",
    [
        "SMS", "sms ", "infinity", "infinity:*", "infinity:read:", "infinity:write:acme", "infinity:read:Acme",
        "infinity:read:a*", "infinity:read:acme:more", "another-token-put-here", "# a comment", "infinity:read:acme\x00",
    ],
)  # fmt: skip
def test_what_is_no_scope_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(BadScopeError) as caught:
        of("sms", line)
    assert caught.value.line == 3
    assert line not in str(caught.value)


def test_a_file_with_a_wrong_scope_does_not_count_and_the_log_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert holder(tmp_path, f"{TOKEN}\nsms\ninfinity:read\n") is None
    said = [line for line in capsys.readouterr().out.splitlines() if "no scope" in line]
    assert len(said) == 1
    assert f"{tmp_path}/ci" in said[0]
    assert "line=3" in said[0]
    assert "infinity:read" not in said[0]


@pytest.mark.parametrize(
    "content",
    [
        f"{TOKEN}\nsms\n", f"{TOKEN}\r\nsms\r\n", f"\n {TOKEN} \n\n sms \n\n", f"{TOKEN}\nsms",
    ],
    ids=["plain", "windows", "spaced", "no-end"],
)  # fmt: skip
def test_a_file_is_read_as_people_write_it(tmp_path: Path, content: str) -> None:
    assert holder(tmp_path, content) == of("sms")


def test_the_command_line_shows_the_token_without_its_scopes(tmp_path: Path) -> None:
    (tmp_path / "ci").write_text(f"{TOKEN}\nsms\n")
    assert place("https://pbx.example.com", tmp_path / "ci", None).token == TOKEN


def test_a_file_that_is_too_long_does_not_count(tmp_path: Path) -> None:
    assert holder(tmp_path, f"{TOKEN}\n" + "sms\n" * 20_000) is None
    assert holder(tmp_path, "x" * (LONGEST + 1), "x" * (LONGEST + 1)) is None
    assert holder(tmp_path, "x" * LONGEST, "x" * LONGEST) == EVERYTHING


def test_the_token_of_run_is_for_everything(tmp_path: Path) -> None:
    path = make_local_token(tmp_path)
    found = Tokens(tmp_path, scopes()).holder_of(path.read_text().strip())
    assert found is not None
    assert found.scopes == EVERYTHING
