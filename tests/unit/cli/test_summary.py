"""The commands to go on with can be pasted where they are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apportion.cli.pasted import program, try_next


def installed(folder: Path) -> Path:
    file = folder / "apportion"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_name_alone_where_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = installed(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(file.parent))
    monkeypatch.setattr("sys.argv", [str(file)])
    assert program() == "apportion"
    monkeypatch.setattr("sys.argv", ["/somewhere/apportion/cli/__main__.py"])
    assert program() == "apportion"


def test_else_the_path_it_was_started_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = installed(tmp_path / "a b" / "bin")
    monkeypatch.setenv("PATH", str(installed(tmp_path / "another").parent))
    monkeypatch.setattr("sys.argv", [str(file)])
    monkeypatch.chdir(tmp_path)
    try_next(tmp_path / "it's", "statement", "explain search")
    assert capsys.readouterr().err.splitlines() == [
        "Try:  'a b/bin/apportion' statement -p 'it'\"'\"'s'",
        "      'a b/bin/apportion' explain -p 'it'\"'\"'s' search",
    ]
    monkeypatch.chdir(file.parent.parent)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert program() == f"'{file}'"
