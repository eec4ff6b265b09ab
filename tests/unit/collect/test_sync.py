"""Sources become objects with a hash; what must not be read is a problem, never an exception."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from apportion.collect.connector import Connector, by_scheme, matcher, registered
from apportion.collect.connectors.files import FilesConnector
from apportion.collect.sync import Collected, SourceSpec, collect, file_format
from apportion.errors import ApportionError


def gather(folder: Path, *specs: SourceSpec, roots: tuple[Path, ...] = ()) -> Collected:
    return collect(folder, specs, folder / ".cache", roots)


def put(folder: Path, name: str, data: bytes = b"a,b\n1,2\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def slugs(found: Collected) -> list[str]:
    return [problem.slug for problem in found.problems]


def test_globs_are_sorted_and_objects_are_hashed(tmp_path: Path) -> None:
    put(tmp_path, "bills/b.csv", b"a\n2\n")
    put(tmp_path, "bills/2026/a.csv.gz", b"packed")
    put(tmp_path, "bills/c.txt")
    found = gather(tmp_path, SourceSpec("focus", "charges", "bills/**/*.csv*"))
    assert [(o.name, o.format, o.size_bytes) for o in found.objects] == [
        ("bills/2026/a.csv.gz", "csv.gz", 6),
        ("bills/b.csv", "csv", 4),
    ]
    assert found.objects[1].sha256 == hashlib.sha256(b"a\n2\n").hexdigest()
    assert found.problems == ()


def test_a_pattern_without_a_file_names_the_nearest(tmp_path: Path) -> None:
    put(tmp_path, "bills/invoices.csv")
    found = gather(
        tmp_path,
        SourceSpec("one", "charges", "bills/invoice.csv"),
        SourceSpec("two", "charges", "none/*.csv"),
    )
    assert slugs(found) == ["no-file-matches", "no-file-matches"]
    assert "'bills/invoices.csv'" in found.problems[0].message
    assert all(problem.stops for problem in found.problems)


def test_a_name_with_brackets_that_exists_is_meant_literally(tmp_path: Path) -> None:
    put(tmp_path, "bills/a[1].csv")
    assert [o.name for o in gather(tmp_path, SourceSpec("s", "charges", "bills/a[1].csv")).objects] == [
        "bills/a[1].csv"
    ]


@pytest.mark.parametrize("path", ["../outside.csv", "../*.csv", "bills/../../outside.csv"])
def test_a_path_outside_the_project_is_not_opened(tmp_path: Path, path: str) -> None:
    put(tmp_path, "outside.csv")
    (tmp_path / "project" / "bills").mkdir(parents=True)
    found = gather(tmp_path / "project", SourceSpec("s", "charges", path))
    assert slugs(found) == ["path-outside-project"]
    assert found.objects == ()


def test_a_link_that_leads_outside_is_not_opened_unless_its_folder_is_a_root(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/secret.csv")
    (tmp_path / "project" / "bills").mkdir(parents=True)
    (tmp_path / "project" / "bills" / "x.csv").symlink_to(tmp_path / "elsewhere" / "secret.csv")
    spec = SourceSpec("s", "charges", "bills/*.csv")
    assert slugs(gather(tmp_path / "project", spec)) == ["path-outside-project"]
    opened = gather(tmp_path / "project", spec, roots=(tmp_path / "elsewhere",))
    assert [o.name for o in opened.objects] == ["bills/x.csv"]


def test_the_same_bill_twice_is_held_out_and_both_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv")
    found = gather(tmp_path, SourceSpec("one", "charges", "a.csv"), SourceSpec("two", "charges", "b.csv"))
    assert [o.name for o in found.objects] == ["a.csv"]
    (problem,) = found.problems
    assert problem.slug == "same-file-twice"
    assert problem.held
    assert "'a.csv'" in problem.message
    assert "'b.csv'" in problem.message


def test_two_meters_may_read_one_file(tmp_path: Path) -> None:
    put(tmp_path, "m.csv")
    found = gather(tmp_path, SourceSpec("hours", "meters", "m.csv"), SourceSpec("memory", "meters", "m.csv"))
    assert len(found.objects) == 2
    assert found.problems == ()


def test_empty_and_unknown_files_are_problems(tmp_path: Path) -> None:
    put(tmp_path, "bills/a.csv", b"")
    put(tmp_path, "bills/b.xlsx")
    put(tmp_path, "usage/hour.jsonl", b"")
    found = gather(tmp_path, SourceSpec("s", "charges", "bills/*"), SourceSpec("u", "usage", "usage/*"))
    assert slugs(found) == ["empty-file", "unknown-format", "empty-file"]
    assert [problem.severity for problem in found.problems] == ["error", "error", "warning"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "a.csv").chmod(0)
    assert slugs(gather(tmp_path, SourceSpec("s", "charges", "a.csv"))) == ["file-unreadable"]


def test_a_link_to_nothing_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    assert slugs(gather(tmp_path, SourceSpec("s", "charges", "a.csv"))) == ["file-unreadable"]


def test_an_unknown_store_names_the_nearest(tmp_path: Path) -> None:
    (problem,) = gather(tmp_path, SourceSpec("s", "charges", "s4://bucket/a.csv")).problems
    assert problem.slug == "unknown-store"
    assert "s3://" in problem.message


def test_the_built_in_connectors_come_through_the_entry_points() -> None:
    assert {"", "s3", "gs", "az"} <= set(registered())
    assert all(isinstance(connector, Connector) for connector in registered().values())


def test_two_connectors_for_one_scheme_are_refused() -> None:
    with pytest.raises(ApportionError, match="two connectors"):
        by_scheme([FilesConnector(), FilesConnector()])


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a/*.csv", "a/b.csv", True),
        ("a/*.csv", "a/b/c.csv", False),
        ("a/**/*.csv", "a/c.csv", True),
        ("a/**/*.csv", "a/b/c/d.csv", True),
        ("a/**", "a/b/c", True),
        ("a/?[0-9].csv", "a/x1.csv", True),
        ("a/[!x].csv", "a/x.csv", False),
        ("a/b.csv", "a/bXcsv", False),
    ],
)
def test_globs_over_stores(pattern: str, name: str, matches: bool) -> None:
    assert bool(matcher(pattern).fullmatch(name)) is matches


def test_formats_come_from_the_ending() -> None:
    assert file_format("x.SNAPPY.parquet") == "parquet"
    assert file_format("x.ndjson.gz") == "jsonl.gz"
    assert file_format("x.json.gz") == "json.gz"
    assert file_format("x.xlsx") is None
