"""The files that the tidy tests look at."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "apportion"
_SKIPPED = {".venv", ".git", ".apportion", "__pycache__", "build", "dist"}
_DEMO = ROOT / "larkspur"


def product_modules() -> list[Path]:
    """Every Python module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def suite_modules() -> list[Path]:
    """Every Python module of the suite."""
    return sorted((ROOT / "tests").rglob("*.py"))


def queries() -> list[Path]:
    """Every SQL file of the package."""
    return sorted(PACKAGE.rglob("*.sql"))


def tracked_files() -> list[Path]:
    """Files that git tracks or would track; without git, every file of the tree that no tool has made."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        found = (
            p
            for p in ROOT.rglob("*")
            if p.is_file() and _DEMO not in p.parents and not _SKIPPED & set(p.relative_to(ROOT).parts)
        )
        return sorted(found)
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def shown(path: Path) -> str:
    """A path as a reader of a failure wants it."""
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last word of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            if isinstance(target, ast.Name):
                yield target.id, node
            elif isinstance(target, ast.Attribute):
                yield target.attr, node
