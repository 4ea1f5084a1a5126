"""What a class says of its attributes, in the docstrings below them; read from its source when it is asked for."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from types import ModuleType


def attribute_docstrings(cls: type, root: type) -> dict[str, str]:
    """Return the docstring of each attribute of `cls` and of the classes that it inherits from, up to `root`, by name.

    A class without a source, as in a package of bytecode alone, says nothing; nor does one that is made in a function.
    """
    family = (each for each in reversed(cls.__mro__) if issubclass(each, root))
    return {name: text for each in family for name, text in _docstrings(each)}


def _docstrings(cls: type) -> Iterator[tuple[str, str]]:
    found = _classes(sys.modules[cls.__module__]).get(cls.__name__)
    for field, text in pairwise(found.body if found else ()):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(said))):
                yield name, inspect.cleandoc(said)


@cache
def _classes(module: ModuleType) -> Mapping[str, ast.ClassDef]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except OSError:
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
