"""The numbers of what is planted in Larkspur, worked from its plain files.

    python tests/larkspur/answer_key.py FOLDER

It imports nothing from apportion: it reads the files as an accountant with a calculator would, so that the product is
checked by somebody who knows the story and not the program.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

Row = dict[str, str]

# USD per million tokens: input that no cache had, cached input, output.
_PRICES = {
    "claude-opus-5": ("5", "0.5", "25"),
    "claude-sonnet-5": ("2", "0.2", "10"),
    "gpt-5.5": ("4", "0.4", "24"),
    "amazon.nova-pro-v1:0": ("0.8", "0.2", "3.2"),
}


def _rows(folder: Path, pattern: str) -> Iterator[Row]:
    for path in sorted(folder.glob(pattern)):
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _cents(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):,}".replace("-", "\N{MINUS SIGN}")


def _list_cost(row: Row) -> Decimal:
    price = [Decimal(text) for text in _PRICES[row["model"]]]
    cached = int(row["cache_read_tokens"])
    tokens = (int(row["input_tokens"]) - cached, cached, int(row["output_tokens"]))
    return sum((count * each for count, each in zip(tokens, price, strict=True)), Decimal(0)) / 10**6


def _sum(rows: list[Row]) -> Decimal:
    return sum(map(_list_cost, rows), Decimal(0))


def _billed(rows: Iterable[Row], column: str, value: str) -> Decimal:
    return sum((Decimal(row["BilledCost"]) for row in rows if row[column] == value), Decimal(0))


def _tags(row: Row) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["tags"] or "{}")
    return found


def _person_days(folder: Path, team: str, first: date, after: date) -> int:
    days = 0
    for row in _rows(folder, "directory/people.csv"):
        if row["team"] == team:
            start = max(first, date.fromisoformat(row["valid_from"]))
            end = min(after, date.fromisoformat(row["valid_to"] or "9999-12-31"))
            days += max((end - start) // timedelta(days=1), 0)
    return days


def answers(folder: Path) -> dict[str, str]:
    """Every number of the key by its name, as the key prints it.

    Args:
        folder: Where Larkspur's files lie.
    """
    october = list(_rows(folder, "usage/gateway-2026-10.csv"))
    found: dict[str, str] = {}

    lab = [row for row in october if row["api_key_id"] == "k-lab"]
    silent = [row for row in lab if not _tags(row).get("team") and not row["user_id"]]
    found["shared key: calls that name nobody"] = f"{len(silent):,}"
    found["shared key: what they cost"] = _cents(_sum(silent))

    # The vendor bills a little more than was measured; each call bears its part.
    newest = [row for row in october if row["model"] == "gpt-5.5"]
    misspelt = [row for row in newest if _tags(row).get("team") == "serach"]
    billed = _billed(_rows(folder, "bills/2026-10/openai.csv"), "SkuId", "gpt-5.5")
    found["misspelt team: what search owes to its alias"] = _cents(billed * _sum(misspelt) / _sum(newest))

    assisted: list[tuple[Decimal, Decimal]] = []
    for month, name in (("09", "September"), ("10", "October")):
        assist = [
            r for r in _rows(folder, f"usage/gateway-2026-{month}.csv") if _tags(r).get("feature") == "assist-reply"
        ]
        whole = sum(int(row["input_tokens"]) for row in assist)
        cached = sum(int(row["cache_read_tokens"]) for row in assist)
        found[f"cache regression: cached in {name}"] = f"{Decimal(100 * cached) / whole:.1f} %"
        found[f"cache regression: cost in {name}"] = _cents(_sum(assist))
        assisted.append((Decimal(cached), Decimal(whole)))

    # October's input, had September's share of it come from the cache; at what September's cents were of its list cost.
    (cached_before, whole_before), (cached_now, whole_now) = assisted
    fresh, cheap, _ = (Decimal(text) for text in _PRICES["claude-sonnet-5"])
    sonnet = [r for r in _rows(folder, "usage/gateway-2026-09.csv") if r["model"] == "claude-sonnet-5"]
    charged = Decimal(_cents(_billed(_rows(folder, "bills/2026-09/anthropic.csv"), "SkuId", "claude-sonnet-5")))
    lost = (whole_now * cached_before / whole_before - cached_now) * (fresh - cheap) / 10**6
    found["cache regression: what it made of the change"] = f"+{_cents(lost * charged / _sum(sonnet))}"

    loop = [r for r in newest if r["called_at"].startswith("2026-10-11") and r["user_id"] == "p-060"]
    found["runaway loop: calls on that Sunday"] = str(len(loop))
    found["runaway loop: what they cost at list"] = f"{_sum(loop):f}"

    calls = [row["call_id"] for row in _rows(folder, "usage/gateway-2026-08*.csv")]
    found["duplicated import: rows that repeat a call"] = f"{len(calls) - len(set(calls)):,}"

    for name, start, price in (("until 15 August", "2026-08-01", "30"), ("from 16 August", "2026-08-16", "24")):
        tokens = sum(
            int(row["ConsumedQuantity"])
            for row in _rows(folder, "bills/2026-08/openai.csv")
            if (row["SkuId"], row["SkuMeter"]) == ("gpt-5.5", "Output tokens")
            and row["ChargePeriodStart"].startswith(start)
        )
        found[f"price change: output tokens {name}"] = f"{tokens * Decimal(price) / 10**6:f}"

    september = _rows(folder, "bills/2026-09/openai.csv")
    found["promotional credit: in September"] = _cents(_billed(september, "ChargeCategory", "Credit"))
    bill = _rows(folder, "bills/2026-10/anthropic.csv")
    found["late correction: of August, in October"] = _cents(_billed(bill, "ChargeClass", "Correction"))

    for team in ("support", "growth"):
        days = _person_days(folder, team, date(2026, 9, 1), date(2026, 10, 1))
        found[f"reorganisation: person-days of {team}"] = f"{days:,}"

    sunday = [row for row in _rows(folder, "meters/gpu_hours.csv") if row["day"] == "2026-10-25"]
    capacity, used = (sum((Decimal(row[name] or 0) for row in sunday), Decimal(0)) for name in ("capacity", "quantity"))
    node = [r for r in _rows(folder, "bills/2026-10/aws.csv") if r["ChargePeriodStart"].startswith("2026-10-25")]
    idle = (capacity - used) / capacity * _billed(node, "ResourceId", "gpu-node-a")
    found["idle weekend: what its Sunday cost"] = f"{idle.normalize():f}"

    least = _billed(_rows(folder, "bills/2026-07/aws.csv"), "ServiceName", "Amazon Bedrock")
    found["minimum fee: finance-ops"] = _cents(least * 60 / 100)
    found["minimum fee: platform"] = _cents(least * 40 / 100)

    reader = list(_rows(folder, "usage/bedrock-2026-10.csv"))
    found["batch sent as interactive: cost in October"] = _cents(_sum(reader))
    return found


if __name__ == "__main__":
    for what, number in answers(Path(sys.argv[1])).items():
        sys.stdout.write(f"{what:<60}{number:>12}\n")
