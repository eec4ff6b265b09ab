"""Bad input never loses or invents money: each kind of it with its file, row, reason and amount.

Every case is read twice: as a run tells it, and in what the run has published.
"""

from __future__ import annotations

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.errors.folder import (
    BILL_HEAD,
    CALLS,
    Files,
    bill,
    block,
    call,
    charge,
    data,
    make,
    quarantined,
    rows_in_out_aside,
    say,
    settings,
    usage,
)

GPU = 'meters: [{name: gpu_hours, path: "gpu.csv", unit: GPU-Hours}]\n'
BY_METER = 'allocate:\n  - {name: all, when: "billed_cost != 0", method: proportional, meter: gpu_hours}\n'
PEOPLE = 'directory: [{name: people, type: roster, path: "people.csv"}]\n'


def ran(folder: Path, files: Files) -> str:
    """Run a project whose faults are held, and give what it says."""
    said = say(make(folder, files), "run")
    assert said.code == 0, said.err
    assert "published" in said.err
    return said.err


def stopped(folder: Path, files: Files, slug: str) -> str:
    """Run a project whose fault stops it: nothing is published, and the one text is given."""
    said = say(make(folder, files), "run")
    assert said.code == 3, said.err
    assert say(folder, "statement").code == 1
    return block(said, slug)


def owed(folder: Path) -> dict[str, str]:
    """Each owner's total, nothing of `unallocated` left out."""
    rows = data(folder, "statement")["rows"]
    return {row["team"]: row["total"]["amount"] for row in rows if row["total"]["amount"] != "0.00"}


def one(folder: Path, reason: str, file: str, row: int) -> str:
    """The one row that was set aside, and the money that stands with it."""
    (found,) = quarantined(folder)
    assert (found["reason"], found["source_file"], found["source_row"]) == (reason, file, row)
    return f"{found['amount']} {found['currency']}"


def test_an_unparsable_number_is_set_aside_and_the_rest_is_placed(tmp_path: Path) -> None:
    ran(tmp_path, {"bills/a.csv": bill(charge(), charge("12,50".replace(",", "."), team="ads"), charge("1.2.3"))})
    assert one(tmp_path, "number-unreadable", "bills/a.csv", 4) == "None USD"
    assert rows_in_out_aside(tmp_path) == (3, 2, 1)
    assert owed(tmp_path) == {"search": "100.00", "ads": "12.50"}
    assert "1 row in quarantine" in say(tmp_path, "statement").out


def test_an_unreadable_effective_cost_keeps_the_billed_one_in_sight(tmp_path: Path) -> None:
    ran(
        tmp_path,
        {"bills/b.csv": "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart\n7.00,n/a,USD,2026-11-01\n"},
    )
    assert one(tmp_path, "number-unreadable", "bills/b.csv", 2) == "7.00 USD"
    assert "7.00 USD not in this report" in say(tmp_path, "statement").out


def test_an_unknown_currency_keeps_its_amount_in_every_report(tmp_path: Path) -> None:
    err = ran(tmp_path, {"bills/a.csv": bill(charge(), charge("55.00", currency="XXQ"))})
    assert "Money: 55.00 XXQ" in err
    assert one(tmp_path, "currency-unknown", "bills/a.csv", 3) == "55.00 XXQ"
    assert "55.00 XXQ not in this report" in say(tmp_path, "statement").out
    assert owed(tmp_path) == {"search": "100.00"}


def test_a_missing_rate_leaves_the_invoice_in_its_own_currency(tmp_path: Path) -> None:
    err = ran(tmp_path, {"bills/a.csv": bill(charge(), charge("55.00", currency="EUR", invoice="E-1"))})
    assert "bills/a.csv: row 3" in err
    assert "Money: 55.00 EUR" in err
    assert owed(tmp_path) == {"search": "100.00"}
    assert rows_in_out_aside(tmp_path) == (2, 2, 0)
    shown = say(tmp_path, "verify").out
    (line,) = [line for line in shown.splitlines() if "E-1" in line]
    assert "EUR" in line
    assert "55.00" in line


@pytest.mark.parametrize("rate", ["9223372037", "0", "-1.09", "1e400", "NaN"])
def test_a_rate_that_is_none_converts_nothing(rate: str, tmp_path: Path) -> None:
    files = {
        "apportion.yaml": settings('fx: {path: "fx.csv"}\n'),
        "fx.csv": f"currency,period,rate\nEUR,2026-11,{rate}\n",
        "bills/a.csv": bill(charge(), charge("55.00", currency="EUR", invoice="E-1")),
    }
    err = ran(tmp_path, files)
    assert "fx.csv: row 2" in err
    assert f"rate is {rate}" in err.replace("'", "")
    assert "error[missing-rate]: bills/a.csv: row 3" in err
    assert owed(tmp_path) == {"search": "100.00"}


def test_overlapping_people_are_said_before_any_total_is_counted(tmp_path: Path) -> None:
    by_people = settings(CALLS + PEOPLE).replace("{tag: team}", "{lookup: {key: user_id, in: people, take: team}}")
    files = {
        "apportion.yaml": by_people,
        "people.csv": "person,team,valid_from,valid_to\nu-1,search,2026-01-01,\nu-1,ads,2026-02-01,\n",
        "usage/a.csv": "called_at,provider,model,output_tokens,user_id\n2026-11-03,openai,gpt-4o,5,u-1\n",
    }
    assert "row 3" in stopped(tmp_path, files, "overlapping-rows")


@pytest.mark.parametrize("quantity", ["-3", "NaN"])
def test_a_weight_that_is_none_weighs_nothing(quantity: str, tmp_path: Path) -> None:
    rows = f"item,day,team,quantity\ng,2026-11-01,search,{quantity}\ng,2026-11-01,ads,6\n"
    err = ran(tmp_path, {"apportion.yaml": settings(GPU, allocate=BY_METER), "gpu.csv": rows})
    assert "gpu.csv: row 2" in err
    assert quantity in err
    assert one(tmp_path, "negative-weight" if quantity == "-3" else "number-unreadable", "gpu.csv", 2)
    assert owed(tmp_path) == {"ads": "100.00"}
    assert rows_in_out_aside(tmp_path) == (3, 2, 1)


@pytest.mark.parametrize(("shares", "total"), [("{a: 0.5, b: 0.4}", "0.9"), ("{a: 33.3, b: 66.6}", "99.9")])
def test_shares_that_do_not_total_1(shares: str, total: str, tmp_path: Path) -> None:
    rule = f'allocate:\n  - {{name: s, when: "billed_cost != 0", method: fixed, shares: {shares}}}\n'
    text = stopped(tmp_path, {"apportion.yaml": settings(allocate=rule)}, "shares-total")
    assert text.startswith("error[shares-total]: apportion.yaml:6:")
    assert f"The shares total {total}, not 100 or 1." in text


def test_a_circle_of_pools_is_named(tmp_path: Path) -> None:
    rules = "".join(
        f'  - {{name: {name}, when: "billed_cost > {at}", method: even, among: [{{pool: {to}}}, search]}}\n'
        for at, (name, to) in enumerate([("gateway", "network"), ("network", "storage"), ("storage", "gateway")])
    )
    text = stopped(tmp_path, {"apportion.yaml": settings(allocate="allocate:\n" + rules)}, "pool-circle")
    for name in ("gateway", "network", "storage"):
        assert name in text
    assert "→" in text


def test_a_rule_that_matches_nothing_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    rule = "  - {name: pilot, when: \"service_name = 'Github Copilot'\", method: even, among: [a]}\n"
    err = ran(tmp_path, {"apportion.yaml": settings() + rule})
    assert "error[rule-matches-nothing]: apportion.yaml:7\n" in err
    assert "Rule pilot matches no charge" in err
    assert "Money: 0.00 USD" in err
    assert owed(tmp_path) == {"search": "100.00"}


def test_an_unknown_dimension(tmp_path: Path) -> None:
    text = stopped(tmp_path, {"apportion.yaml": settings("owner: teem\n")}, "unknown-dimension")
    assert "teem" in text
    assert "team" in text


def test_overlapping_roster_rows_name_both(tmp_path: Path) -> None:
    rows = "person,team,valid_from,valid_to\nu-1,search,2026-01-01,\nu-1,ads,2026-11-01,\n"
    files = {"apportion.yaml": settings(PEOPLE), "people.csv": rows}
    text = stopped(tmp_path, files, "overlapping-rows")
    assert "people.csv: row 3" in text
    assert "row 2" in text


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    err = ran(tmp_path, {"bills/a-again.csv": bill(charge())})
    assert "error[same-file-twice]: bills/a.csv" in err
    assert "Money: 100.00 USD counts once" in err
    assert owed(tmp_path) == {"search": "100.00"}


def _parquet() -> bytes:
    head = BILL_HEAD.strip().split(",")
    rows = list(csv.reader(io.StringIO("".join(charge(f"{n}.00") for n in range(1, 500)))))
    out = io.BytesIO()
    pq.write_table(pa.table({name: [row[at] for row in rows] for at, name in enumerate(head)}), out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "usage.csv.gz", "usage.parquet"])
def test_a_file_cut_in_half_is_not_used_at_all(kind: str, tmp_path: Path) -> None:
    rows = [charge(f"{n}.00") for n in range(1, 500)]
    whole = gzip.compress(bill(*rows).encode()) if "gz" in kind else _parquet()
    folder = "usage" if "usage" in kind else "bills"
    name = f"{folder}/b.{kind.removeprefix('usage.')}"
    more = CALLS if folder == "usage" else ""
    files: Files = {"apportion.yaml": settings(more), name: whole[: len(whole) // 2]}
    text = stopped(tmp_path, files, "file-unreadable")
    assert text.startswith(f"error[file-unreadable]: {name}\n")
    assert "nothing of it is used" in text
    assert "again" in text


def test_a_bill_of_200_columns_is_read_whole(tmp_path: Path) -> None:
    head = BILL_HEAD.strip() + "".join(f",x_{n}" for n in range(192)) + "\n"
    ran(tmp_path, {"bills/a.csv": head + charge("7.25").strip() + ",v" * 192 + "\n"})
    assert owed(tmp_path) == {"search": "7.25"}
    assert rows_in_out_aside(tmp_path) == (1, 1, 0)


def test_a_row_of_200_values_under_8_columns_is_set_aside(tmp_path: Path) -> None:
    err = ran(tmp_path, {"bills/a.csv": bill(charge(), charge("9.00").strip() + ",v" * 192 + "\n")})
    assert "200 values where the header has 8 columns" in err
    assert one(tmp_path, "row-broken", "bills/a.csv", 3) == "None None"
    assert rows_in_out_aside(tmp_path) == (2, 1, 1)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_bill_stops_because_it_may_be_a_missing_one(content: bytes, tmp_path: Path) -> None:
    said = say(make(tmp_path, {"bills/b.csv": content}), "run")
    assert said.code == 3
    assert "bills/b.csv" in said.err
    assert "is empty" in said.err or "no header and no rows" in said.err


@pytest.mark.parametrize("content", [b"", usage().encode(), b"\n"])
def test_an_hour_without_calls_is_only_a_doubt(content: bytes, tmp_path: Path) -> None:
    err = ran(tmp_path, {"apportion.yaml": settings(CALLS), "usage/a.csv": usage(call()), "usage/b.csv": content})
    assert "warning[empty-file]: usage/b.csv" in err


def test_a_month_without_calls_falls_back_as_declared(tmp_path: Path) -> None:
    files = {"apportion.yaml": settings(CALLS), "usage/a.csv": usage(), "bills/a.csv": bill(charge(team=""))}
    err = ran(tmp_path, files)
    assert "warning[empty-file]: usage/a.csv" in err
    assert owed(tmp_path) == {"unallocated": "100.00"}


NAMES = ["=cmd()", "+1+1", "-2", "@SUM(A1)", 'say "hi"', "two\nlines", "team 🚀", "'; DROP TABLE charges; --", "a,b"]


def test_names_that_hold_a_separator_never_share_an_invoice_or_a_pool(tmp_path: Path) -> None:
    head = BILL_HEAD.strip() + ",BillingAccountId,x_model\n"
    numbers = [("A|B", "C"), ("A", "B|C"), ("A", "B~1C")]
    named = [charge("1.00", team="", issuer=issuer, invoice=number) for issuer, number in numbers]
    parts = [("a/b", "c"), ("a", "b/c"), ("a|b", "c"), ("a", "b|c")]
    rows = [f"{row.strip()},a,c\n" for row in named]
    rows += [charge("1.00", team="").strip() + f",{account},{model}\n" for account, model in parts]
    ran(tmp_path, {"bills/a.csv": head + "".join(rows)})
    pools = data(tmp_path, "export", "pools")["rows"]
    assert sorted(pool["amount"]["amount"] for pool in pools) == ["1.00"] * 7
    assert len({pool["pool_id"] for pool in pools}) == 7
    assert len({pool["invoice_key"] for pool in pools}) == 4


def test_strange_names_stay_names_and_run_nowhere(tmp_path: Path) -> None:
    rows = [charge(f"{n}.00", team=name) for n, name in enumerate(NAMES, start=1)]
    ran(tmp_path, {"bills/a.csv": bill(*rows)})
    totals = {name: f"{n}.00" for n, name in enumerate(NAMES, start=1)}
    assert owed(tmp_path) == totals

    out = say(tmp_path, "statement", "--format", "csv").out
    written = {row["team"]: row["total"] for row in csv.DictReader(io.StringIO(out, newline=""))}
    shown = {f"'{name}" if name[0] in "=+-@" else name: total for name, total in totals.items()}
    assert {name: total for name, total in written.items() if name in shown} == shown

    book = tmp_path / "statement.xlsx"
    assert say(tmp_path, "statement", "--format", "xlsx", "-o", str(book)).code == 0
    sheet = openpyxl.load_workbook(book).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}, "a formula would have the type f"
    first = {str(row[0].value).replace("_x000A_", "\n"): row[0].data_type for row in sheet.iter_rows()}
    assert {first.get(name) for name in NAMES} == {"s"}
    for command in ("statement", "coverage", "verify", "reconcile"):
        assert say(tmp_path, command).code == 0
    assert say(tmp_path, "explain", "--owner", "=cmd()").code == 0


def test_strange_texts_in_quarantine_are_defused_too(tmp_path: Path) -> None:
    ran(tmp_path, {"bills/a.csv": bill(charge(), charge("=cmd()", service="=HYPERLINK(1)"))})
    out = say(tmp_path, "export", "quarantine", "--format", "csv").out
    for row in csv.reader(io.StringIO(out)):
        assert not any(cell.startswith(("=", "+", "@")) for cell in row)


@pytest.mark.parametrize("path", ["../elsewhere.csv", "/etc/hostname", "bills/../../elsewhere.csv", "~/bills.csv"])
def test_a_path_outside_the_project_is_not_opened(path: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text(bill(charge("1.00")))
    text = stopped(tmp_path / "p", {"apportion.yaml": settings().replace("bills/*", path)}, "path-outside-project")
    assert path in text
    assert "`roots:`" in text


def test_a_link_that_leads_outside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text(bill(charge("1.00")))
    folder = make(tmp_path / "p", {})
    (folder / "bills" / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    text = stopped(folder, {}, "path-outside-project")
    assert "bills/link.csv" in text
    assert "symbolic link" in text


def test_rows_in_are_rows_out_and_quarantined_over_every_input(tmp_path: Path) -> None:
    gpu = "item,day,team,quantity\ng,2026-11-01,search,x\ng,2026-11-01,ads,6\n"
    ran(
        tmp_path,
        {
            "apportion.yaml": settings(GPU + CALLS),
            "bills/a.csv": bill(charge(), charge("x"), "broken\n", charge("5.00", currency="usd")),
            "usage/a.csv": usage(call(), call("-5"), call(at="never"), call("x")),
            "gpu.csv": gpu,
        },
    )
    assert rows_in_out_aside(tmp_path) == (10, 3, 7)
    assert len(quarantined(tmp_path)) == 7
    assert sum(Decimal(row["amount"]) for row in quarantined(tmp_path) if row["amount"]) == 5
