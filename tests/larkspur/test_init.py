"""Larkspur without its settings: what `init` proposes passes a check, and names nearly as many owners as they did."""

from __future__ import annotations

from pathlib import Path

import pytest

from apportion.larkspur import write_company
from apportion.setup.proposal import Proposal
from tests.errors.folder import say
from tests.unit.setup.folder import proposed

# Of the company's own settings: 96.8 % of October has an owner.
ENOUGH_PERCENT = 90


@pytest.fixture(scope="module")
def larkspur(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("init") / "larkspur"
    write_company(folder)
    (folder / "apportion.yaml").unlink()
    return folder


@pytest.fixture(scope="module")
def found(larkspur: Path, tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    return proposed(larkspur, tmp_path_factory.mktemp("scratch"))


def test_the_owned_share_is_near_that_of_the_real_settings(found: Proposal) -> None:
    month = found.trial.month
    assert month is not None
    assert (str(month.period), month.total) == ("2026-10", 986_706)
    assert month.owned * 100 >= month.total * ENOUGH_PERCENT


def test_every_file_is_read_and_the_evidence_found(found: Proposal) -> None:
    assert found.draft.left_out == ()
    assert [file.name for file in found.draft.passed] == ["README.md"]
    assert found.draft.lenses[0].name == "team"
    assert {"product", "cost_center", "department", "division", "customer"} <= {
        lens.name for lens in found.draft.lenses
    }
    assert [rule.says["method"] for rule in found.draft.rules] == [
        "proportional",
        "seats",
        "direct",
        "direct",
        "headcount",
    ]


def test_what_is_written_passes_a_check(larkspur: Path, found: Proposal) -> None:
    (larkspur / "apportion.yaml").write_text(found.text, encoding="utf-8")
    said = say(larkspur, "check")
    assert said.code == 0, said.err
