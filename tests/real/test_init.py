"""Folders of real data: what each is, and settings that pass a check; what cannot be read is named with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.folder import say
from tests.unit.setup.folder import proposed

# How many sources are read, and how many are recognised and left out, by folder.
FOLDERS = {
    "ai_spend_tokencur": (0, 0),
    "aws_cur": (2, 0),
    "azure_exports": (4, 4),
    "azure_nise_generated": (1, 0),
    "focus_golden_13": (1, 2),
    "focus_sample_1.0": (1, 0),
    "focus_spec_examples_v1.2": (9, 8),
    "format_samples": (6, 0),
    "gcp_nise_generated": (1, 0),
    "llm_trace_azure_2023": (1, 0),
    "llm_trace_servegen_clients": (0, 2),
    "ocp_gpu_nise_generated": (2, 0),
    "providers": (1, 0),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_gives_settings_that_pass(shared: Path, tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    found = proposed(project, tmp_path / "scratch", shared / name)
    assert found.trial.errors == []
    assert (len(found.draft.sources), len(found.draft.left_out)) == FOLDERS[name]
    named = {item.file.path.name for source in found.draft.sources for item in source.items}
    named |= {item.file.path.name for each in found.draft.left_out for item in each.source.items}
    named |= {Path(file.name).name for file in found.draft.passed}
    hidden = {path.name for path in (shared / name).rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert hidden - named == set()
    (project / "apportion.yaml").write_text(found.text, encoding="utf-8")
    said = say(project, "check")
    assert said.code == 0, said.err
