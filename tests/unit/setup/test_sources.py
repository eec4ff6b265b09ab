"""Files of one shape become one source, and its pattern matches them and no other file."""

from __future__ import annotations

from pathlib import Path

from apportion.setup.sources import folders_of, group
from tests.unit.setup.folder import item


def grouped(*names: str, table: str = "charges", beside: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    sources = group([item(name, table) for name in names], [*names, *beside])
    return [(source.name, source.path) for source in sources]


def test_months_beside_each_other_are_one_pattern() -> None:
    assert grouped("bills/2026-10/aws.csv", "bills/2026-10/x.csv", "bills/2026-11/aws.csv") == [
        ("bills", "bills/*/*.csv")
    ]
    assert grouped("usage/a-2026-10.csv", "usage/a-2026-11.csv", table="usage") == [("a", "usage/*.csv")]


def test_a_pattern_never_takes_in_another_file() -> None:
    found = grouped("u/a-2026-10.csv", "u/a-2026-11.csv", table="usage", beside=("u/notes.csv",))
    assert found == [("a", "u/a-*.csv")]
    found = grouped("u/a-1.csv", "u/a-2.csv", table="usage", beside=("u/a-old.csv",))
    assert found == [("a", "u/a-1.csv"), ("a_2", "u/a-2.csv")]


def test_a_name_with_the_signs_of_a_pattern_stands_alone() -> None:
    assert grouped("a[1].csv", "a[2].csv") == [("a", "a[1].csv"), ("a_2", "a[2].csv")]


def test_directories_stay_apart_and_names_are_plain_and_unique() -> None:
    assert grouped("d/keys.csv", "e/keys.csv", table="lookup") == [("keys", "d/keys.csv"), ("keys_2", "e/keys.csv")]
    assert grouped("October-2026-gpu-usage.csv", table="meters") == [("gpu_usage", "October-2026-gpu-usage.csv")]
    assert grouped("\u202e'\".csv") == [("bill", "\u202e'\".csv")]


def test_files_with_other_mappings_are_other_sources() -> None:
    items = [item("a/x.csv"), item("a/y.csv", columns={"billed_cost": "Cost"})]
    assert [source.path for source in group(items, ["a/x.csv", "a/y.csv"])] == ["a/x.csv", "a/y.csv"]


def test_the_folder_that_a_pattern_begins_in_counts(tmp_path: Path) -> None:
    sources = group([item("../b/1/a.csv"), item("../b/2/a.csv")], ["../b/1/a.csv", "../b/2/a.csv"])
    assert tmp_path / "../b" in folders_of(sources, tmp_path)
