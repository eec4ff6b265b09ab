"""Files that are missing, unreadable, double, or shaped otherwise than they should be."""

from __future__ import annotations

import gzip
import json

from tests.errors.case import Case, doubt
from tests.errors.folder import BILL_HEAD, CALLS, bill, call, charge, settings, usage

_LONG = bill(*(charge(f"{n}.00") for n in range(400))).encode()
_PRINTED = '  - {name: printed, type: invoices, path: "printed.csv", columns: {totl: total}}\n'


_LOG = 'usage: [{name: log, path: "log/*"}]\n'
_TWO = 'usage: [{name: calls, path: "usage/*"}, {name: log, path: "log/*"}]\n'


def _logged(record: str, hour: str = "10", state: str = "measured", tokens: int = 1000) -> str:
    """A record of the usage log."""
    said = {"record_id": record, "called_at": f"2026-11-03T{hour}:00:00Z", "via": "gateway", "provider": "openai",
            "response_model": "gpt-4o", "tags": {"team": "search"}, "state": state, "outcome": "ok", "status": 200,
            "call_id": "c-1", "part": 1, "parts": 1, "requests": 1, "uncached_input_tokens": tokens}  # fmt: skip
    return json.dumps(said) + "\n"


def _sources(line: str) -> str:
    """Settings whose bills are written line by line, with one more."""
    return settings().replace(
        'bills: [{name: focus, type: focus, path: "bills/*"}]\n',
        'bills:\n  - {name: focus, type: focus, path: "bills/*"}\n' + line,
    )


FILES: dict[str, Case] = {
    "config-encoding": Case(
        {"apportion.yaml": b"company: A\ncurrency: \xff\n"}, "apportion.yaml:2:11", ("0xFF", "UTF-8")
    ),
    "config-too-large": Case(
        {"apportion.yaml": b"company: A\n" + b"# " * 1_000_001}, "apportion.yaml", ("2,000,000 bytes",)
    ),
    "config-missing": Case({}, "apportion.yaml", ("no apportion.yaml",), words=("check", "--project", "elsewhere")),
    "no-file-matches": Case(
        {"apportion.yaml": settings(CALLS)}, "usage/*", ("'calls'", "usage"), cure="correct `path:`"
    ),
    "unknown-format": Case(
        {"bills/a.xlsx": b"PK\x03\x04"}, "bills/a.xlsx", ("'focus'", "'bills/a.xlsx'"), cure=".parquet"
    ),
    "unknown-store": Case(
        {"apportion.yaml": settings().replace("bills/*", "s4://bills/*.parquet")},
        "s4://bills/*.parquet",
        ("no connector answers for s4://", "s3://"),
    ),
    "empty-file": Case(
        {"bills/b.csv": b""}, "bills/b.csv", ("'bills/b.csv'", "0 bytes"), cure="export or copy it again"
    ),
    "same-file-twice": Case(
        {"bills/a (1).csv": bill(charge())},
        "bills/a.csv",
        ("'bills/a (1).csv'", "same bytes", "held out"),
        money="100.00 USD counts once",
        cure="delete 'bills/a.csv'",
    ),
    "same-charges-twice": Case(
        {"bills/a-v2.csv": bill(charge(), charge("20.00"))},
        "bills/a.csv",
        ("'bills/a.csv'", "its row stands in 'bills/a-v2.csv' too", "held out"),
        money="100.00 USD counts once",
        cure="delete 'bills/a.csv'",
    ),
    "charges-repeated": doubt(
        {
            "bills/a.csv": bill(charge(), charge("7.00", team="ads")),
            "bills/b.csv": bill(charge(), charge("8.00"), charge("9.00")),
        },
        ("1 of the 2 rows of 'bills/a.csv' stand in 'bills/b.csv' too",),
        "100.00 USD may count twice",
        at="bills/a.csv",
    ),
    "file-unreadable": Case(
        {"bills/b.csv.gz": gzip.compress(_LONG)[:-200]},
        "bills/b.csv.gz",
        ("'bills/b.csv.gz'", "nothing of it is used"),
    ),
    "column-missing": Case(
        {"bills/b.csv": "Amount,BillingCurrency,BillingPeriodStart\n1,USD,2026-11-01\n"},
        "bills/b.csv: row 1",
        ("'billed_cost'", "Amount, BillingCurrency", "nearest to 'billed_cost' is 'Amount'"),
        cure="columns: {billed_cost: <column of the file>}",
    ),
    "column-twice": Case(
        {"bills/b.csv": "billed_cost," + BILL_HEAD + "1," + charge()},
        "bills/b.csv: row 1",
        ("'billed_cost'", "'BilledCost'"),
        cure="rename or remove one",
    ),
    "column-unknown": Case(
        {"apportion.yaml": _sources(_PRINTED), "printed.csv": "issuer,invoice_id,currency,total\nOpenAI,I-1,USD,100\n"},
        "apportion.yaml:5:68",
        ("name: printed", "`totl`", "did you mean `total`"),
        cure="Correct `columns:`",
    ),
    "row-broken": Case(
        {"bills/b.csv": bill(charge("1.00"), "2.00,USD\n", charge("3.00"))},
        "bills/b.csv: row 3",
        ("2 values", "8 columns", "2.00,USD"),
        money="unknown",
        cure="correct the line",
    ),
    "duplicate-calls": Case(
        {
            "apportion.yaml": settings(CALLS),
            "usage/a.csv": usage(call(call_id="c-1"), call(call_id="c-2"), call(call_id="c-1")),
        },
        "",
        ("1 row repeats a call", "`calls`"),
        code=0,
        warning=True,
        cure="remove the repeated rows",
    ),
    "calls-metered-twice": doubt(
        {
            "apportion.yaml": settings(_TWO),
            "usage/a.csv": usage(call(call_id="c-1"), call(call_id="c-2")),
            "log/a.csv": usage(call("999", call_id="c-1", at="2026-11-04T00:00:02Z")),
        },
        ("1 row (999 tokens)", "`log` tells a call", "`calls` tells, too"),
    ),
    "call-ids-shared": doubt(
        {"apportion.yaml": settings(_LOG), "log/a.jsonl": _logged("gw_1", "10") + _logged("gw_2", "18", tokens=7)},
        ("2 rows (1,007 tokens) of openai", "more than an hour apart"),
    ),
    "usage-estimated": doubt(
        {"apportion.yaml": settings(_LOG), "log/a.jsonl": _logged("gw_1", state="estimated")},
        ("1 call of openai with 1,000 tokens is estimated", "1 on 2026-11-03"),
    ),
    "usage-missing": doubt(
        {"apportion.yaml": settings(_LOG), "log/a.jsonl": _logged("gw_1", state="missing", tokens=0)},
        ("1 call of openai may be billed", "1 on 2026-11-03"),
    ),
    "usage-overlaps": doubt(
        {
            "apportion.yaml": settings(_TWO),
            "usage/a.csv": usage(call()),
            "log/a.csv": usage(call(call_id="c-1")),
        },
        ("on 2026-11-03, `calls` tells 1 call with 1,000 tokens of openai", "`log` tells"),
    ),
}
