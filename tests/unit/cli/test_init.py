"""`apportion init` asks on a terminal only, writes one file and never over one, and shows settings to stdout alone."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

from apportion.cli.init import answer, put, take_default
from apportion.errors import WrongUsage
from apportion.setup.proposal import Question
from tests.errors.folder import say
from tests.unit.setup.folder import PEOPLE, bill, calls, charge, write

QUESTION = Question("currency", "In which currency?", ("USD", "EUR"), "USD", "the commonest")


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    return write(tmp_path / "acme", {"bills/a.csv": bill(charge()), "usage/c.jsonl": calls(team="search")})


def test_it_writes_settings_that_pass_and_says_what_to_type(acme: Path) -> None:
    with patch.object(typer, "prompt", side_effect=AssertionError("asked")):
        said = say(acme, "init", str(acme), "--no-input")
    assert said.code == 0, said.err
    assert "company: Acme (the folder's name)" in said.err
    assert "November 2026: 100.0 % of 100.00 USD has an owner" in said.err
    assert "check -p" in said.err
    assert "What was found" in said.out
    assert say(acme, "check").code == 0
    assert sorted(path.name for path in acme.iterdir()) == ["apportion.yaml", "bills", "usage"]


def test_bills_of_which_nothing_is_ai_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {"a.csv": bill(charge("12.50", service="Amazon S3", issuer="AWS"))})
    said = say(folder, "init", str(folder), "--no-input")
    assert "Of the 12.50 USD billed nothing is AI by the built-in rules" in said.err
    people = write(tmp_path / "people", {"people.csv": PEOPLE})
    assert "bills or priced usage are missing" in say(people, "init", str(people), "--no-input").err


def test_where_nothing_can_be_read_nothing_is_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "none", {"a.md": "x"})
    said = say(tmp_path / "new", "init", str(folder), "--no-input")
    assert (said.code, "nothing-to-read" in said.err, "a.md" in said.out) == (2, True, True)
    assert not (tmp_path / "new").exists()


def test_without_a_terminal_nothing_is_asked(acme: Path) -> None:
    with patch.object(typer, "prompt", side_effect=AssertionError("asked")):
        assert say(acme, "init", str(acme)).code == 0


def test_a_preview_prints_the_settings_and_writes_nothing(acme: Path) -> None:
    said = say(acme, "init", str(acme), "--preview")
    assert said.code == 0
    assert said.out.startswith("# Proposed by `apportion init`")
    assert "What was found" in said.err
    assert not (acme / "apportion.yaml").exists()
    other = acme.parent / "not" / "there"
    again = say(other, "init", str(acme), "--preview")
    assert again.code == 0
    assert "../../acme/bills/a.csv" in again.out
    assert not other.parent.exists()


def test_settings_that_are_there_are_never_written_over(acme: Path) -> None:
    (acme / "apportion.yaml").write_text("mine\n", encoding="utf-8")
    said = say(acme, "init", str(acme), "--no-input")
    assert (said.code, (acme / "apportion.yaml").read_text(encoding="utf-8")) == (2, "mine\n")
    assert "settings-exist" in said.err
    with pytest.raises(WrongUsage):
        put(acme, "theirs\n")
    assert (acme / "apportion.yaml").read_text(encoding="utf-8") == "mine\n"


def test_a_project_elsewhere_is_made_and_reads_the_files_where_they_lie(acme: Path) -> None:
    project = acme.parent / "books" / "acme"
    assert say(project, "init", str(acme / "bills"), str(acme / "usage"), "--no-input").code == 0
    assert [path.name for path in project.iterdir()] == ["apportion.yaml"]
    assert say(project, "check").code == 0


def test_a_path_that_is_not_there_is_wrong_usage(acme: Path) -> None:
    said = say(acme, "init", str(acme / "bils"), "--no-input")
    assert (said.code, "path-missing" in said.err) == (2, True)
    assert not (acme / "apportion.yaml").exists()


def test_an_answer_is_asked_for_until_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(typer, "prompt", side_effect=["GBP", " EUR "]) as asked:
        assert answer(QUESTION) == "EUR"
    assert asked.call_args.kwargs == {"default": "USD", "err": True}
    assert "one of USD, EUR" in capsys.readouterr().err


def test_a_default_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert take_default(QUESTION) == "USD"
    assert capsys.readouterr().err == "currency: USD (the commonest)\n"


def test_the_terminal_is_asked(acme: Path) -> None:
    with (
        patch.object(typer, "prompt", side_effect=["Acme & Sons"]),
        patch.object(sys.modules["apportion.cli.init"], "on_a_terminal", return_value=True),
    ):
        assert say(acme, "init", str(acme)).code == 0
    assert 'company: "Acme & Sons"' in (acme / "apportion.yaml").read_text(encoding="utf-8")


def test_a_credit_that_nobody_owns_is_no_share_above_all(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {"a.csv": bill(charge("100.00"), charge("-10.00", team=None))})
    said = say(folder, "init", str(folder), "--no-input")
    assert "100.00 of 90.00 USD has an owner" in said.err
