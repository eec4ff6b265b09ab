"""The command line says what is wrong with a command in two lines, and exits with 2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ACME = Path(__file__).resolve().parents[3] / "examples" / "acme"


def call(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "apportion.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "acme"
    shutil.copytree(ACME, folder, ignore=shutil.ignore_patterns(".apportion", "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def ran(acme: Path) -> Path:
    before = call("run", "--preview", folder=acme)
    assert before.returncode == 0, before.stderr
    assert "nothing is published for this period yet" in before.stdout
    assert not (acme / ".apportion" / "books.db").exists()
    done = call("run", folder=acme)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "October 2026" in done.stderr
    assert "% unallocated" in done.stderr
    assert done.stderr.rstrip().splitlines()[-4].startswith("Try:  apportion statement")
    return acme


def test_a_preview_says_what_it_would_change(ran: Path) -> None:
    said = call("run", "--preview", "--period", "2026-11", folder=ran)
    assert "A preview; it would change nothing that is published" in said.stdout
    assert "2026-11 worked out, nothing published" in said.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("statement --format xlsx", "Add -o FILE.xlsx"),
        ("statement --format yaml", "'yaml' is none of table, csv, json, xlsx"),
        ("statement --by produkt", "use 'product'"),
        ("statement --owner serach", "did you mean 'search'?"),
        ("statement --format csv -o no/such/x.csv", "there is no folder no/such"),
        ("statement --period 2026-13", "2026-13"),
        ("coverage --by nothing", "no dimension of this project"),
        ("explain serach", "did you mean 'search'?"),
        ("explain gpu-pool --owner serach", "did you mean 'search'?"),
        ("coverage --fix --by product", "--fix is about the owner's dimension"),
        ("export customer", "did you mean customers?"),
        ("export unit-costs --category trainng", "did you mean training?"),
        ("export statements --sort totl", "did you mean 'total'?"),
        ("export statements --descending", "name the column with --sort"),
    ],
)
def test_wrong_usage_is_two(ran: Path, words: str, said: str) -> None:
    done = call(*words.split(), folder=ran)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert said in done.stderr


def test_a_project_that_is_not_there_is_named(ran: Path) -> None:
    done = call("statement", "-p", f"{ran.name}e", folder=ran.parent)
    assert done.returncode == 3
    assert f"did you mean {ran.name}?" in done.stderr


def test_a_files_ending_says_how_it_is_written(ran: Path, tmp_path: Path) -> None:
    for ending, start in ((".xlsx", b"PK"), (".json", b"{"), (".csv", b"team,"), (".txt", b"November 2026")):
        output = tmp_path / f"s{ending}"
        assert call("statement", "-o", str(output), folder=ran).returncode == 0
        assert output.read_bytes().startswith(start), ending
    card = tmp_path / "explain.csv"
    assert call("explain", "gpu-pool", "-o", str(card), folder=ran).returncode == 0
    assert b"," in card.read_bytes().splitlines()[0]


def test_commands_in_a_text_can_be_pasted_where_it_is_read(ran: Path) -> None:
    done = call("undo", "P-000000", "-p", ran.name, folder=ran.parent)
    assert f"export -p {ran.name} decisions" in done.stderr


def test_what_is_printed_is_what_is_exported(ran: Path) -> None:
    printed = call("statement", folder=ran).stdout.splitlines()
    table = json.loads(call("statement", "--format", "json", folder=ran).stdout)
    titles = [column["title"] for column in table["columns"]]
    assert printed[1].split() == " ".join(titles).split()
    header = call("statement", "--format", "csv", folder=ran).stdout.splitlines()[0]
    assert header.split(",") == [column["name"] for column in table["columns"]] == list(table["rows"][0])


def test_the_certificate_keeps_whole_hashes_in_json(ran: Path) -> None:
    data = json.loads(call("verify", "--format", "json", folder=ran).stdout)
    hashes = [row["sha256"] for row in data["stages"]["rows"] if row["sha256"]]
    assert hashes
    assert all(len(text) == 64 for text in hashes)
    printed = call("verify", folder=ran).stdout
    assert f"{hashes[0][:12]}…" in printed
    assert hashes[0] not in printed


@pytest.mark.parametrize("name", ["search", "gpu-pool", "gpu-node-a", "vector-db", "tax", "OAI-2026-11", "overhead"])
def test_explain_takes_what_a_statement_prints(ran: Path, name: str) -> None:
    done = call("explain", name, folder=ran)
    assert done.returncode == 0, done.stderr
    assert " USD " in done.stdout


def test_explain_names_the_evidence_and_the_rows_of_the_weights(ran: Path) -> None:
    text = call("explain", "search", "--period", "2026-10", folder=ran).stdout
    assert "tag team, serach → search 225.07" in text
    assert "meters/gpu_hours.csv rows" in text
    assert "31 windows: each day's money by that day's weights" in text


def test_an_owner_explained_ends_with_the_statement_s_total(ran: Path) -> None:
    said = call("explain", "search", folder=ran).stdout.rstrip().splitlines()
    total = json.loads(call("statement", "--format", "json", folder=ran).stdout)
    (row,) = [row for row in total["rows"] if row["team"] == "search"]
    shown = f"{Decimal(row['total']['amount']):,} USD"
    assert said[-1].split("  ")[:2] == ["search in November 2026", shown]
    assert said[-1].endswith("the sum of 8 pools")
    assert not said[-2]
    alone = call("explain", "it", folder=ran).stdout
    assert "the sum of" not in alone


def test_a_weight_of_millions_is_shown_in_its_unit(tmp_path: Path) -> None:
    """Pico-units of more than 9.2 million would pass the largest integer, so nano-units weigh, and are said."""
    text = NO_PRICE.replace("usage:", "bills: [{name: b, path: b.csv}]\nusage:")
    (tmp_path / "apportion.yaml").write_text(text.replace("category: inference", "when: \"provider = 'openai'\""))
    head = "BilledCost,BillingCurrency,BillingPeriodStart,InvoiceIssuerName,InvoiceId,ServiceName,ProviderName\n"
    (tmp_path / "b.csv").write_text(head + "30000000.00,USD,2026-11-01,OpenAI,I-1,OpenAI API,OpenAI\n")
    call_of = {"called_at": "2026-11-02T10:00:00Z", "provider": "openai", "model": "gpt-4o"}
    lines = [{**call_of, "output_tokens": n * 10**12, "tags": {"team": f"t{n}"}} for n in (1, 2)]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert call("run", folder=tmp_path).returncode == 0
    said = call("explain", "t2", folder=tmp_path).stdout
    assert "20,000,000 of 30,000,000 list cost in nano-units = 66.67 %" in said
    assert "t2  20,000,000.00 USD" in said


NO_PRICE = """\
company: Acme
currency: USD
usage: [{name: calls, type: usage, path: calls.jsonl}]
dimensions: {team: [{tag: team}]}
allocate: [{name: all, category: inference, method: direct}]
"""


def test_a_month_without_a_price_or_a_bill_is_not_zero(tmp_path: Path) -> None:
    """L3: no data is n/a, and never 0.00; `check` counts and says nothing of writing."""
    (tmp_path / "apportion.yaml").write_text(NO_PRICE)
    line = {"called_at": "2026-11-02T10:00:00Z", "provider": "pelion", "input_tokens": 3}
    (tmp_path / "calls.jsonl").write_text(json.dumps(line) + "\n")
    checked = call("check", folder=tmp_path)
    assert (checked.returncode, checked.stderr.rstrip().splitlines()[-1]) == (0, "0 errors, 2 warnings")
    assert "1 call (3 tokens) of pelion, model not named, in 2026-11 has no price" in checked.stderr
    assert "of pelion, model not named (2026-11-02 to 2026-11-02) has no list price" in checked.stderr
    ran = call("run", folder=tmp_path)
    assert "n/a USD   1 call has no price and no bill" in ran.stderr
    said = json.loads(call("statement", "--format", "json", folder=tmp_path).stdout)
    assert '"0.00"' not in json.dumps(said)
    assert "there is no bill, so its cost is not known" in json.dumps(said)


def test_check_ends_with_the_number_of_problems(tmp_path: Path) -> None:
    (tmp_path / "apportion.yaml").write_text(NO_PRICE)
    said = call("check", folder=tmp_path)
    assert said.returncode == 3
    assert said.stderr.rstrip().splitlines()[-1] == "1 error, 0 warnings"
    assert "problems-found" not in said.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_a_shell_can_complete_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    said = call("--show-completion", shell, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "COMPLETE" in said.stdout
