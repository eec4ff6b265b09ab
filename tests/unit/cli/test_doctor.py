"""The doctor tells enough to help, and nothing that must not be passed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.folder import make, say


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = make(tmp_path, {})
    assert say(folder, "run").code == 0
    return folder


def test_versions_machine_and_outline(project: Path) -> None:
    said = say(project, "doctor")
    assert said.code == 0
    for words in (
        "apportion: version",
        "duckdb 2.",
        "machine: memory",
        "project: bills",
        "books: runs",
        "done, duckdb",
    ):
        assert words in said.out, words
    assert "read it through" in said.err


def test_no_secret_no_amount_and_no_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr-hush")
    monkeypatch.setenv("APPORTION_WAREHOUSE", "s3://hidden-bucket/prefix")
    monkeypatch.setenv("APPORTION_BOOKS", "postgresql+psycopg://joe:hush@secret-host/books")
    said = say(project, "doctor", "--format", "json")
    assert "AWS_SECRET_ACCESS_KEY" in said.out
    for secret in ("hush", "hidden-bucket", "secret-host", "joe", "support", "search"):
        assert secret not in said.out, secret
    assert '"s3://…"' in said.out
    assert '"postgresql+psycopg://…"' in said.out


def test_a_folder_without_a_project_and_a_broken_one(tmp_path: Path) -> None:
    said = say(tmp_path, "doctor")
    assert said.code == 0
    assert "config-missing" in said.out
    (tmp_path / "apportion.yaml").write_text("company: [\n", encoding="utf-8")
    said = say(tmp_path, "doctor")
    assert said.code == 0
    assert "yaml" in said.out
