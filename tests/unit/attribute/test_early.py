"""A condition on a call's instant is evaluated before the fold, so that the instant keeps no calls apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.attribute.early import CellEvidence
from apportion.config.load import load_text
from apportion.focus import known_fields
from apportion.period import Period
from apportion.pipeline import run
from apportion.project import Project

HEAD = """\
company: Acme
currency: USD
bills: [{name: focus, type: focus, path: "bill.csv"}]
usage: [{name: calls, type: usage, path: "calls.jsonl"}]
"""
BILL = (
    "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,BillingPeriodEnd,ServiceName,"
    "ServiceProviderName,ChargeCategory\n"
    "12.00,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,OpenAI API,OpenAI,Usage\n"
)
EARLY = "called_at < '2026-11-02T12:00:00+01:00'"


def write(folder: Path, dimensions: str, rules: str = "") -> Project:
    lines = [
        {
            "called_at": f"2026-11-02T{hour:02d}:{minute:02d}:00Z",
            "provider": "openai",
            "model": "gpt-4o",
            "input_tokens": 100,
            "api_key_id": "k",
            "call_id": f"c-{hour}-{minute}",
        }
        for hour in (8, 9, 10, 11, 12)
        for minute in range(0, 60, 10)
    ]
    (folder / "calls.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "bill.csv").write_text(BILL)
    rules = rules or "allocate: [{name: all, category: inference, method: direct}]\n"
    (folder / "apportion.yaml").write_text(HEAD + dimensions + rules)
    return Project.open(folder)


def cells(project: Project) -> list[tuple[str, int]]:
    run(project)
    with project.view(Period(2026, 11)) as view:
        found = view.engine.fetch("SELECT team, calls FROM usage_cells ORDER BY team")
    return [(str(team), int(calls)) for team, calls in found]


@pytest.mark.parametrize("literal", ["2026-11-02T11:00:00Z", "2026-11-02 11:00:00", "2026-11-02T12:00:00+01:00"])
def test_calls_fold_by_the_outcome(tmp_path: Path, literal: str) -> None:
    team = f"""
dimensions:
  team:
    - {{value: early, when: "called_at < '{literal}' and api_key_id = 'k' and model like 'gpt%'"}}
    - {{value: late, when: "not called_at < '{literal}'"}}
"""
    assert cells(write(tmp_path, team)) == [("early", 18), ("late", 12)]


def test_an_id_of_a_call_is_read_before_the_fold_too(tmp_path: Path) -> None:
    team = """
dimensions:
  team: [{value: one, when: "call_id in ('c-8-0', 'c-9-0')"}, {default: rest}]
"""
    assert cells(write(tmp_path, team)) == [("one", 2), ("rest", 28)]


def test_a_condition_that_needs_a_dimension_waits_for_it(tmp_path: Path) -> None:
    """It keeps its calls apart, and means the same."""
    team = f"""
dimensions:
  part: [{{column: api_key_id}}]
  team: [{{value: early, when: "{EARLY} and part = 'k'"}}, {{default: late}}]
"""
    found = cells(write(tmp_path, team))
    assert (sum(n for team, n in found if team == "early"), sum(n for _, n in found)) == (18, 30)
    assert len(found) == 30


def evidence(text: str) -> CellEvidence:
    loaded = load_text(HEAD + text, Path("/nowhere"), known_fields())
    assert loaded.settings is not None, loaded.problems
    return CellEvidence.of(loaded.settings)


def test_the_instant_is_kept_where_something_else_reads_it() -> None:
    value = f'dimensions: {{team: [{{value: a, when: "{EARLY}"}}]}}\n'
    assert evidence(value).names == ["when_team_0"]
    assert evidence(value.replace("[{", "[{column: called_at}, {")).names == ["raw_called_at", "when_team_1"]
    where = f'allocate: [{{name: r, when: "true", method: proportional, meter: tokens, where: "{EARLY}"}}]\n'
    assert evidence(value + where).names == ["raw_called_at", "when_team_0"]
