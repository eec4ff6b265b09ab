"""Every input column once, found under any of its spellings, and documented."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from apportion import focus
from apportion.focus import TABLES, documentation, fold, known_fields

DOCS = Path(__file__).resolve().parents[2] / "docs"
REMOVED_IN_1_4 = {"provider_name", "publisher_name"}


def test_the_page_on_inputs_is_the_one_written_from_the_columns() -> None:
    assert (DOCS / "inputs.md").read_text(encoding="utf-8") == documentation()


def test_every_row_of_the_columns_has_as_many_cells_as_the_head() -> None:
    with (Path(focus.__file__).parent / "focus_columns.csv").open(encoding="utf-8", newline="") as file:
        assert [row for row in csv.DictReader(file) if None in row or None in row.values()] == []


@pytest.mark.parametrize("table", TABLES)
def test_no_spelling_stands_for_two_columns(table: str) -> None:
    columns = TABLES[table].columns
    spellings = [name for c in columns for name in sorted({fold(name) for name in (c.name, *c.aliases)})]
    assert [name for name in spellings if spellings.count(name) > 1] == []


@pytest.mark.parametrize("spelling", ["BilledCost", "billed_cost", "Billed Cost", "BILLED.COST", "\ufeffBilledCost"])
def test_case_underscores_spaces_and_dots_do_not_matter(spelling: str) -> None:
    assert TABLES["charges"].find(["x", spelling]) == {"billed_cost": spelling}


def test_a_columns_own_name_wins_over_an_alias() -> None:
    found = TABLES["usage"].find(["model", "gen_ai.response.model", "gen_ai.usage.output_tokens"])
    assert found == {"response_model": "gen_ai.response.model", "output_tokens": "gen_ai.usage.output_tokens"}


def test_conditions_may_name_what_is_worked_out() -> None:
    assert {"billed_cost", "service_name", "provider", "model", "category", "output_tokens"} <= known_fields()


def test_a_column_that_is_not_there_is_a_key_error() -> None:
    assert TABLES["fx"].column("rate").kind == "decimal"
    with pytest.raises(KeyError):
        TABLES["fx"].column("nothing")


def test_the_columns_of_a_bill_are_those_of_focus(shared: Path) -> None:
    standard = json.loads((shared / "focus_rule_models" / "focus_1_4_model.json").read_text(encoding="utf-8"))
    columns = standard["datasets"]["Cost and Usage"]["columns"]
    assert {fold(name) for name in columns} == {fold(n) for n in TABLES["charges"].names if n not in REMOVED_IN_1_4}
    kinds = {"Decimal": {"decimal"}, "Date/Time": {"timestamp"}, "JSON": {"json", "tags"}, "String": {"text"}}
    for name, said in columns.items():
        column = TABLES["charges"].find([name])
        (ours,) = column
        assert TABLES["charges"].column(ours).kind in kinds[said["data_type"]]
