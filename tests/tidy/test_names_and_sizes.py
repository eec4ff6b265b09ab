"""Names say what a thing is, modules stay small, and nothing evaluates text."""

from __future__ import annotations

import ast
import re

import pytest

from tests.tidy.source_tree import PACKAGE, ROOT, calls, product_modules, shown, suite_modules, tracked_files

SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "types"}
# Design section 7: these words name no noun of the field, or already mean something else.
VAGUE_CLASS = re.compile(r"(Manager|Helper|Util|Utils|Handler|Wrapper|Processor)$")
# A model is an AI model; a method of allocation is a method, a data class is a record.
MISUSED = re.compile(r"(?i)allocation_?model|cost_?model|data_?model|usage_?(cost|amount|minor|nano)$")
PRODUCT_LINES, TEST_LINES = 400, 600
TEXT_FILES = {".py", ".sql", ".md", ".toml", ".yaml", ".yml", ".json", ".csv", ".jsonl", ".txt", ".lock", ""}
OPEN_WORK = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!.{0,3}#\d)")
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|tmp|private|mnt)/\w")
E_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.(?:com|org|net|io|dev|eu|de|uk|ai)\b")
# Addresses that the standards keep free for examples (RFC 2606) name nobody.
EXAMPLE_ADDRESS = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)\b")


@pytest.mark.parametrize("path", product_modules(), ids=shown)
def test_a_module_has_a_noun_for_a_name(path: object) -> None:
    words = {part.removesuffix(".py") for part in str(path).removeprefix(str(PACKAGE)).split("/")}
    assert not words & SAYS_NOTHING


def test_modules_stay_small() -> None:
    limits = [(p, PRODUCT_LINES) for p in product_modules()] + [(p, TEST_LINES) for p in suite_modules()]
    sizes = [(shown(p), len(p.read_text(encoding="utf-8").splitlines()), most) for p, most in limits]
    assert [(name, lines) for name, lines, most in sizes if lines > most] == []


def test_public_names_use_the_words_of_the_house() -> None:
    found = []
    for path in product_modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                bad = MISUSED.search(node.name)
                bad = bad or (VAGUE_CLASS.search(node.name) if isinstance(node, ast.ClassDef) else None)
                if bad and not node.name.startswith("_"):
                    found.append(f"{shown(path)}:{node.lineno}: {node.name}")
    assert found == []


def test_nothing_evaluates_text() -> None:
    found = [
        f"{shown(path)}:{node.lineno}: {name}"
        for path in product_modules()
        for name, node in calls(ast.parse(path.read_text(encoding="utf-8")))
        if name in {"eval", "exec", "__import__"} and isinstance(node.func, ast.Name)
    ]
    assert found == []


def test_open_work_names_its_issue() -> None:
    found = [
        f"{shown(path)}:{number}"
        for path in [*product_modules(), *sorted(PACKAGE.rglob("*.sql"))]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if OPEN_WORK.search(line)
    ]
    assert found == []


def test_no_machine_path_and_no_address_of_a_person() -> None:
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT_FILES or path.is_relative_to(ROOT / "tests" / "tidy"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            address = E_MAIL.search(line)
            if MACHINE_PATH.search(line) or (address and not EXAMPLE_ADDRESS.search(address[0])):
                found.append(f"{shown(path)}:{number}: {line.strip()[:100]}")
    assert found == []
