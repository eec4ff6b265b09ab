"""The inputs of every case and example, without their settings: what `init` proposes for them passes a check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.errors.folder import say
from tests.golden.test_golden import CASES, FOLDER
from tests.unit.setup.folder import proposed

ROOT = FOLDER.parents[1]
PROJECTS = [
    ROOT / "examples" / "acme",
    ROOT / "tests" / "decisions" / "design_example",
    *(FOLDER / name for name in CASES),
]
_NOT_INPUT = shutil.ignore_patterns("apportion.yaml", ".apportion", "expected", "__pycache__")


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_the_proposed_settings_pass(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / project.name
    shutil.copytree(project, folder, ignore=_NOT_INPUT)
    found = proposed(folder, tmp_path / "scratch")
    assert found.trial.errors == []
    assert found.draft.sources
    (folder / "apportion.yaml").write_text(found.text, encoding="utf-8")
    said = say(folder, "check")
    assert said.code == 0, said.err
