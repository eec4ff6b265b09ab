"""From files to settings that pass a check; nothing is lost in silence, and the same files give the same text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.setup.proposal import Question, propose
from tests.unit.setup.folder import KEYS, PEOPLE, bill, calls, charge, proposed, usage, write


def test_bills_usage_and_directories_become_a_project_with_owners(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {
        "bills/a.csv": bill(charge(team=None)),
        "usage/c.jsonl": calls(key="k-1") + calls(user="u-2") + calls(team="support") + calls(),
        "keys.csv": KEYS,
        "people.csv": PEOPLE,
    })  # fmt: skip
    found = proposed(folder, tmp_path / "scratch")
    assert found.trial.errors == []
    assert found.trial.month is not None
    assert (found.trial.month.owned, found.trial.month.total) == (7_500, 10_000)
    assert found.trial.month.gap is not None
    assert "calls that name no team" in found.trial.month.gap.what
    assert found.text == proposed(folder, tmp_path / "again").text
    assert not (folder / ".apportion").exists()


def test_a_file_by_which_a_check_would_fail_is_left_out_with_the_reason(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {"a.csv": bill(charge()), "b.csv": bill(charge("ten"))})
    found = proposed(folder, tmp_path / "scratch")
    assert found.trial.errors == []
    assert [each.source.path for each in found.draft.left_out] == ["b.csv"]
    assert "row 2: billed_cost is 'ten'" in found.draft.left_out[0].reason
    assert "# left out: row 2: billed_cost is 'ten'" in found.text


def test_a_month_as_billed_and_spread_over_its_term_counts_once(tmp_path: Path) -> None:
    files = {"ActualCost_2026-11.csv": bill(charge()), "AmortizedCost_2026-11.csv": bill(charge("3.00"))}
    found = proposed(write(tmp_path / "acme", files), tmp_path / "scratch")
    assert [each.source.path for each in found.draft.left_out] == ["AmortizedCost_*.csv"]
    assert "it is ActualCost_2026-11.csv again" in found.draft.left_out[0].reason
    alone = proposed(write(tmp_path / "one", {"Amortized.csv": bill(charge("3.00"))}), tmp_path / "scratch")
    assert (len(alone.draft.sources), alone.draft.left_out) == (1, ())


def test_a_spend_log_and_a_usage_report_as_documents_are_read(tmp_path: Path) -> None:
    log = {"startTime": "2026-11-03T10:00:00Z", "model": "gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 9}
    report = {"start_time": 1793700000, "results": [{"model": "gpt-4o", "input_tokens": 5, "output_tokens": 5}]}
    files = {
        "spend.json": json.dumps(
            [{**log, "completion_tokens": 1, "metadata": {"team": "search"}, "messages": "a poem"}]
        ),
        "openai.json": json.dumps({"object": "page", "data": [report], "has_more": False}),
    }
    found = proposed(write(tmp_path / "acme", files), tmp_path / "scratch")
    assert found.trial.errors == []
    said = {source.path: (source.seen.what, source.seen.tokens) for source in found.draft.sources}
    assert said == {"openai.json": ("usage", None), "spend.json": ("LiteLLM's spend log", "inclusive")}
    assert not any(b"poem" in path.read_bytes() for path in (tmp_path / "scratch").rglob("*") if path.is_file())


def test_one_bill_in_two_forms_counts_once(tmp_path: Path) -> None:
    text = bill(charge(), charge("5.00"))
    folder = write(tmp_path / "acme", {"a.csv": text, "b.csv": text.replace("\n", "\r\n")})
    found = proposed(folder, tmp_path / "scratch")
    assert [each.source.path for each in found.draft.left_out] == ["b.csv"]
    assert "all its 2 rows stand in 'a.csv' too" in found.draft.left_out[0].reason


def test_mixed_currencies_without_rates_leave_out_what_cannot_be_converted(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {
        "a.csv": bill(charge(), charge("7.00")),
        "b.csv": bill(charge(currency="EUR", invoice="I-2")),
    })  # fmt: skip
    found = proposed(folder, tmp_path / "scratch")
    assert (found.draft.currency, found.trial.errors) == ("USD", [])
    assert "is in EUR, and there is no month average rate to USD" in found.draft.left_out[0].reason
    write(folder, {"fx.csv": "currency,period,rate\nEUR,2026-11,1.1\n"})
    assert proposed(folder, tmp_path / "again").draft.left_out == ()


def test_calls_in_a_ledger_without_a_rate_for_dollars_are_left_out(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "acme", {"a.csv": bill(charge(currency="EUR")), "c.csv": usage("2026-11-03,openai,gpt-4o,1,1,,\n")}
    )
    found = proposed(folder, tmp_path / "scratch")
    assert (found.draft.currency, found.trial.errors) == ("EUR", [])
    assert "no USD rate to EUR" in found.draft.left_out[0].reason


def test_what_cannot_be_seen_is_asked_and_answers_count(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme_inc", {
        "a.csv": bill(charge(), charge(currency="EUR", invoice="I-2")),
        "c.jsonl": calls(team="search", department="it"),
        "fx.csv": "currency,period,rate\nUSD,2026-11,0.9\n",
    })  # fmt: skip
    asked: list[Question] = []

    def answer(question: Question) -> str:
        asked.append(question)
        return {"company": "Acme & Sons", "currency": "EUR", "owner": "department"}[question.about]

    found = propose([folder], folder, tmp_path / "scratch", answer)
    assert [(each.about, each.default) for each in asked] == [
        ("company", "Acme Inc"),
        ("currency", "EUR"),
        ("owner", "team"),
    ]
    assert (found.draft.company, found.draft.currency, found.draft.owner) == ("Acme & Sons", "EUR", "department")
    assert found.trial.errors == []


def test_files_outside_the_project_are_referred_to_and_not_copied(tmp_path: Path) -> None:
    other = write(tmp_path / "data", {"2026-10/a.csv": bill(charge(day="2026-10-01")), "2026-11/a.csv": bill(charge())})
    project = tmp_path / "project"
    project.mkdir()
    found = proposed(project, tmp_path / "scratch", other)
    assert [source.path for source in found.draft.sources] == ["../data/*/*.csv"]
    assert found.draft.roots == ("../data",)
    assert found.trial.errors == []
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    "files", [{}, {"notes.md": "x"}, {"a.csv": "BilledCost,BillingCurrency,ServiceName,SkuId,InvoiceId\n"}]
)
def test_a_folder_without_inputs_gives_settings_that_pass(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "acme").mkdir()
    found = proposed(write(tmp_path / "acme", files), tmp_path / "scratch")
    assert found.trial.errors == []
    assert len(found.draft.passed) == len(files)


def test_texts_of_prompts_reach_nothing(tmp_path: Path) -> None:
    said = "please write a poem about WHITEHALL and nothing else"
    text = calls(team="search", title=said, note="WHITEHALL").replace("}\n", f', "prompt": "{said}"}}\n')
    folder = write(tmp_path / "acme", {"c.jsonl": text})
    found = proposed(folder, tmp_path / "scratch")
    assert "WHITEHALL" not in found.text
    assert "title" not in found.text
    assert "prompt" not in found.text


def test_one_file_of_prices_and_one_of_rates(tmp_path: Path) -> None:
    rate = "currency,period,rate\nEUR,2026-11,1.1\n"
    entry = "provider: openai, model: m, from: 2026-01-01, source: x, checked: 2026-01-01, input: 1, output: 1"
    prices = f"prices:\n  - {{{entry}}}\n"
    folder = write(
        tmp_path / "acme",
        {"fx.csv": rate, "rates.csv": rate + "GBP,2026-11,1.2\n", "prices.yaml": prices, "x.yml": "a: 1\n"},
    )
    found = proposed(folder, tmp_path / "scratch")
    assert [source.path for source in found.draft.sources] == ["fx.csv", "prices.yaml"]
    assert "a project reads one file of fx" in found.draft.left_out[0].reason
    assert [file.reason for file in found.draft.passed] == ["a YAML file that holds no list of prices"]
    assert found.trial.errors == []
