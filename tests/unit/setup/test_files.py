"""Every file is looked at or passed by with a reason; no loop of links and no odd name holds that up."""

from __future__ import annotations

from pathlib import Path

from apportion.setup.files import find, outside, written
from tests.unit.setup.folder import write


def test_data_is_found_and_the_rest_is_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"b.csv": "x\n", "a/c.jsonl.gz": "x", "README.md": "x", "d.json": "{}", "empty.csv": "", "p.yaml": "x"},
    )
    write(tmp_path, {".hidden.csv": "x", ".apportion/books.db": "x", "apportion.yaml": "x", "noend": "x"})
    found, passed = find([tmp_path], tmp_path)
    assert [(file.name, file.format) for file in found] == [
        ("a/c.jsonl.gz", "jsonl.gz"),
        ("b.csv", "csv"),
        ("d.json", "json"),
        ("p.yaml", None),
    ]
    reasons = {file.name: file.reason for file in passed}
    assert sorted(reasons) == ["README.md", "empty.csv", "noend"]
    assert "0 bytes" in reasons["empty.csv"]


def test_links_are_not_followed_into_loops(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "x"})
    (tmp_path / "self").symlink_to(".", target_is_directory=True)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone.csv").symlink_to("nowhere.csv")
    found, passed = find([tmp_path], tmp_path)
    assert [file.name for file in found] == ["a.csv"]
    assert [file.name for file in passed] == ["gone.csv", "loop", "self"]


def test_a_control_character_in_a_name_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"a\nb.csv": "x"})
    assert [file.reason for file in find([tmp_path], tmp_path)[1]] == ["its name holds a control character; rename it"]


def test_a_file_given_twice_is_found_once_and_one_that_is_missing_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "x"})
    found, passed = find([tmp_path, tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path)
    assert [file.name for file in found] == ["a.csv"]
    assert [(file.name, file.reason) for file in passed] == [("b.csv", "there is no such file")]


def test_outside_folders_are_named_once_and_relative(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"in/a.csv": "x"})
    write(tmp_path, {"other/x/a.csv": "x", "other/b.csv": "x"})
    assert outside([project / "in", tmp_path / "other" / "x", tmp_path / "other"], project) == ["../other"]
    assert written(tmp_path / "other" / "b.csv", project) == "../other/b.csv"
