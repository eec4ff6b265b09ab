"""A folder of everything that goes wrong at once: each file is read or named, and the settings pass."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from apportion.config.load import load_text
from tests.errors.folder import BILL_HEAD, say, tags
from tests.unit.setup.folder import bill, charge, proposed, write

ODD_TAGS = {"team": "a\u202eb", 'we"ird: key #': "v", "team: x": "y", "\u202eteam": "z", "a/b~c": "1x"}


def odd_charge(invoice: str) -> str:
    return f'1.00,USD,2026-11-01,OpenAI,{invoice},"It\'s ""odd"": {{x}} # y",Usage,{tags(json.dumps(ODD_TAGS))}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write(tmp_path / "acme", {
        "a[1] 'q\" #: {x}.csv": bill(odd_charge("N-1")),
        "bidi\u202e.csv": bill(charge(invoice="N-2")),
        "sub dir 'x'/b.csv": bill(charge(invoice="N-3")),
        "empty.csv": "",
        "binary.csv": bytes(range(256)),
        "heading.csv": BILL_HEAD,
        "cut.csv.gz": gzip.compress(bill(charge()).encode() * 9)[:-9],
        "wide.csv": ",".join(f"c{n}" for n in range(200)) + "\n" + ",".join("1" * 200) + "\n",
        "mixed.csv": bill(charge(invoice="M-1"), charge(currency="EUR", invoice="M-2")),
        "ragged.csv": bill(charge(invoice="R-1"), "1,2\n"),
        "new\nline.csv": bill(charge(invoice="L-1")),
        "bad.yaml": "a: [",
        "odd.yaml": b"\xff\xfe",
    })  # fmt: skip
    (made / "loop").symlink_to("loop")
    (made / "self").symlink_to(".", target_is_directory=True)
    return made


def test_each_file_is_read_or_named_and_the_settings_pass(folder: Path, tmp_path: Path) -> None:
    found = proposed(folder, tmp_path / "scratch")
    assert found.trial.errors == []
    read = {item.file.name for source in found.draft.sources for item in source.items}
    assert read == {"a[1] 'q\" #: {x}.csv", "bidi\u202e.csv", "sub dir 'x'/b.csv"}
    left = {each.source.path for each in found.draft.left_out}
    assert left == {"mixed.csv", "ragged.csv"}
    passed = {file.name for file in found.draft.passed}
    assert passed == {
        "empty.csv", "binary.csv", "heading.csv", "cut.csv.gz", "wide.csv", "new\nline.csv", "bad.yaml", "odd.yaml",
        "loop", "self",
    }  # fmt: skip
    assert "\u202e" not in found.text
    settings = load_text(found.text, folder).settings
    assert settings is not None
    assert "\u202eteam" in settings.evidence_names()[0]
    (folder / "apportion.yaml").write_text(found.text, encoding="utf-8")
    said = say(folder, "check")
    assert said.code == 0, said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {"a.csv": bill(charge())})
    (folder / "a.csv").chmod(0)
    found = proposed(folder, tmp_path / "scratch")
    assert ["cannot be read" in file.reason for file in found.draft.passed] == [True]


def test_a_tag_with_a_quote_in_its_key_stops_no_run(tmp_path: Path) -> None:
    settings = "company: A\ncurrency: USD\nbills: [{name: b, path: b.csv}]\n"
    settings += "dimensions: {team: [{tag: 'we\"ird: key #'}]}\nallocate: [{name: a, when: true, method: direct}]\n"
    folder = write(tmp_path / "acme", {"b.csv": bill(odd_charge("N-1")), "apportion.yaml": settings})
    assert say(folder, "run").code == 0
    assert "v" in say(folder, "statement").out
