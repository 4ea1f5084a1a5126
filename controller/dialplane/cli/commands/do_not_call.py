"""`dialplane do-not-call`: numbers that nobody calls, changed while the site runs."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from dialplane.cli.client.completion import names
from dialplane.cli.client.connect import connect
from dialplane.cli.client.options import Limit, OfTenant, Output, TokenFile, Url
from dialplane.cli.durations import at
from dialplane.cli.errors import Unusable
from dialplane.cli.help import kept
from dialplane.cli.output import Format, emit, say, show_table
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import StateDir
from dialplane.resources.numbering import compact

PATH: Final = "/infinity/do-not-call"
EVERYBODY: Final = "(all)"

Numbers = Annotated[
    list[str],
    typer.Argument(metavar="NUMBER", help="In whatever way it is written, such as '+49 30 555010'."),
]
ForTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        help="For calls of this InfinityTenant alone; without it for all of the site.",
        autocompletion=names("/infinity/configs", "tenant"),
    ),
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with who did it and when.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def root() -> None:
    """Numbers that nobody calls: no campaign, no program, and nobody with `dialplane call`.

    They talk to the API of `dialplane run`, or to that at --url. What is in manifests (`doNotCall`) counts as well, and
    is changed there.

    Examples:
        dialplane do-not-call add '+1 555 0111' --reason 'asked on the telephone'
        dialplane do-not-call list
    """


def add(
    numbers: Numbers,
    reason: Why,
    tenant: ForTenant = None,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Have numbers not called any more: no call to them begins from then on, of campaigns under way neither.

    Examples:
        dialplane do-not-call add +15550111 --reason 'asked on the telephone'
        dialplane do-not-call add '030 555 010' 0049-30-555011 --tenant acme --reason 'letter of 3 April'
    """
    wanted = [_plain(number) for number in numbers]
    api = connect(url, token_file, state_dir)
    body = {"reason": reason, **({"tenant": tenant} if tenant else {})}
    _each(wanted, lambda number: api.post(PATH, {"number": number, **body}), output, "is not called any more")


def remove(
    numbers: Numbers,
    reason: Why,
    tenant: ForTenant = None,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """Have numbers called again; those that a manifest lists as well are still not.

    Example:
        dialplane do-not-call remove +15550111 --reason 'a new owner of the number'
    """
    wanted = [_plain(number) for number in numbers]
    api = connect(url, token_file, state_dir)
    params = {"reason": reason, **({"tenant": tenant} if tenant else {})}

    def one(number: str) -> Any:
        return api.result(api.ask("DELETE", f"{PATH}/{quote(number, safe='')}", params=params))

    _each(wanted, one, output, "is off the list")


def list_(
    tenant: OfTenant = None,
    number: Annotated[
        str | None, typer.Option("--number", metavar="NUMBER", help="Only this one, in whatever way it is written.")
    ] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="What was added and removed, by whom, when and why.")
    ] = False,
    limit: Limit = 50,
    output: Output = Format.TEXT,
    url: Url = None,
    token_file: TokenFile = None,
    state_dir: StateDir = None,
) -> None:
    """List the numbers that were added, the newest first, or every change there was.

    Examples:
        dialplane do-not-call list -n 100000 -o json | jq -r '.[].number'
        dialplane do-not-call list --changes --number +15550111
    """
    wanted = None if number is None else _plain(number)
    api = connect(url, token_file, state_dir)
    path = f"{PATH}/changes" if changes else PATH
    found = list(api.items(path, limit, tenant=tenant, number=wanted))
    if output is not Format.TEXT:
        emit(found, output)
        return
    headings = ["NUMBER", "TENANT", *(["CHANGE"] if changes else []), "SINCE" if not changes else "AT", "BY", "REASON"]
    rows = [_row(each, changes=changes) for each in found]
    show_table(headings, [[harmless(cell) for cell in row] for row in rows], [[None] * len(headings)] * len(rows))


def _row(found: dict[str, Any], *, changes: bool) -> list[str]:
    whose = [found["number"], found["tenant"] or EVERYBODY]
    if changes:
        return [*whose, found["change"], at(found["at"]), found["by"], found["reason"]]
    return [*whose, at(found["added_at"]), found["added_by"], found["reason"]]


def _each(numbers: list[str], one: Callable[[str], Any], output: Format, done: str) -> None:
    found = []
    for number in numbers:
        entry = one(number)
        found.append(entry)
        if output is Format.TEXT:
            whose = f" for {entry['tenant']}" if entry["tenant"] else ""
            say(harmless(f"{entry['number']} {done}{whose}"))
    if output is not Format.TEXT:
        emit(found, output)


def _plain(number: str) -> str:
    found = compact(number)
    if found is None:
        raise Unusable(f"{number!r} is not a telephone number: digits, with at most one + in front")
    return found


app.callback(help=kept(root.__doc__))(root)
for _name, _command in (("add", add), ("remove", remove), ("list", list_)):
    app.command(_name, help=kept(_command.__doc__))(_command)
