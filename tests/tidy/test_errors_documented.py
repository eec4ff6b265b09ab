"""Each slug in the code has a heading in docs/errors.md and a case in tests/errors/cases.py; nothing more."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.source_tree import PACKAGE, ROOT, calls, product_modules

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|[a-z]+")
HEADING = re.compile(r"^### `([a-z0-9-]+)`\s*$", re.MULTILINE)
CASES = ROOT / "tests" / "errors" / "cases.py"
# A problem is made by its class, or by a function that returns one; each such call gives the slug first.
MAKERS = {"Problem", "ApportionError", "WrongUsage", "GateRefused", "PydanticCustomError"}
# A table whose keys are slugs.
TABLE = re.compile(r"_?(CURES|SLUGS|REASONS)")


def makers_of(tree: ast.AST) -> dict[str, int]:
    """Where a call takes its slug: the classes first, a function where its parameter `slug` stands."""
    found = dict.fromkeys(MAKERS, 0)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in _positional(node)]
            if "slug" in names and node.name != "__init__":
                found[node.name] = names.index("slug")
    return found


def _positional(node: ast.FunctionDef) -> list[ast.arg]:
    arguments = [*node.args.posonlyargs, *node.args.args]
    return [argument for argument in arguments if argument.arg not in {"self", "cls"}]


def _texts(node: ast.expr) -> Iterator[str]:
    """The text of a literal, or of both arms of a conditional one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _given_otherwise(node: ast.AST) -> Iterator[ast.expr]:
    """Slugs handed to the class above, bound to a variable `slug`, or listed in a table with their cures."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
        yield from node.args[:1]
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            else:
                pairs = [(target, node.value)]
            for name, value in pairs:
                if isinstance(name, ast.Name) and name.id == "slug":
                    yield value
                elif isinstance(name, ast.Name) and TABLE.fullmatch(name.id) and isinstance(value, ast.Dict):
                    yield from (key for key in value.keys if key is not None)


def slugs_in_code() -> dict[str, str]:
    """Slug → the first place that uses it."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in product_modules()}
    everywhere: dict[str, int] = {}
    for tree in trees.values():
        everywhere.update(makers_of(tree))
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for name, call in calls(tree):
            if name not in everywhere:
                continue
            at = everywhere[name]
            given = [k.value for k in call.keywords if k.arg == "slug"] or call.args[at : at + 1]
            for text in (text for node in given for text in _texts(node)):
                if SLUG.fullmatch(text):
                    found.setdefault(text, f"{path.relative_to(PACKAGE)}:{call.lineno}")
        for node in ast.walk(tree):
            for text in (text for value in _given_otherwise(node) for text in _texts(value)):
                if SLUG.fullmatch(text):
                    found.setdefault(text, f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}")
    return found


def slugs_in_docs() -> set[str]:
    """The headings of docs/errors.md."""
    return set(HEADING.findall((ROOT / "docs" / "errors.md").read_text(encoding="utf-8")))


def slugs_in_cases(path: Path = CASES) -> set[str]:
    """The keys of CASES in tests/errors/cases.py."""
    spec = importlib.util.spec_from_file_location("error_cases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return set(module.CASES)


def test_every_slug_has_a_heading() -> None:
    used = slugs_in_code()
    missing = {slug: place for slug, place in used.items() if slug not in slugs_in_docs()}
    assert missing == {}, "these slugs have no heading in docs/errors.md"


def test_every_heading_is_a_slug() -> None:
    assert slugs_in_docs() - set(slugs_in_code()) == set(), "docs/errors.md speaks of slugs that no code uses"


def test_every_slug_has_a_reproducing_case() -> None:
    used = slugs_in_code()
    if not used:
        return
    assert CASES.is_file(), f"tests/errors/cases.py is missing: it maps each of {len(used)} slugs to a case"
    cases = slugs_in_cases()
    assert set(used) - cases == set(), "these slugs have no case in tests/errors/cases.py"
    assert cases - set(used) == set(), "these cases reproduce slugs that no code uses"
