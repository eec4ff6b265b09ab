"""Random companies: bills, usage, meters, people, seats and rules, as the files that a user would have.

One run costs seconds, so every example has to be rich: a company is drawn whole from one seed, and is the same
for the same seed. Hypothesis chooses the seeds; `Company.seed` in a failure is all that is needed to see it again.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

Record = Mapping[str, str]
MONTH = ("2026-11-01", "2026-12-01")
WINDOWS = (MONTH, MONTH, ("2026-11-03", "2026-11-04"), ("2026-11-10", "2026-11-21"), ("2026-11-30", "2026-12-01"))
# What owners are called where nobody expected a program to read it.
HOSTILE = (
    'O\'Neil "R&D"',
    "two\nlines",
    "\N{PARTY POPPER} team",
    "=cmd()|'/c calc'!A0",
    "a|b|direct",
    "x" * 300,
    "Stra\N{LATIN SMALL LETTER SHARP S}e, S\N{LATIN SMALL LETTER U WITH DIAERESIS}d; --",
    "pool=x",
)
PLAIN = ("support", "search", "growth", "platform", "data")
AMOUNTS = (
    "0", "0.000000000001", "0.0000001", "0.005", "0.01", "0.03", "1.00", "33.335", "100.00", "617.283945061728394506",
    "1842.36", "98765.4321", "9999999.99", "-0.01", "-40.00", "-0.000000000001", "-1200.555",
)  # fmt: skip
MODELS = {"openai": ("gpt-5.4-mini", "text-embedding-3-small"), "anthropic": ("claude-sonnet-5", "claude-haiku-4-5")}
UNPRICED = "mystery-9"
_COSTS = ("BilledCost", "EffectiveCost")


@dataclass(frozen=True)
class Company:
    """A company as the files of its project.

    Attributes:
        seed: What it was drawn from.
        settings: The content of `apportion.yaml`; JSON is YAML.
        files: Records by path; CSV, or JSON lines.
    """

    seed: int
    settings: Mapping[str, Any]
    files: Mapping[str, tuple[Record, ...]]

    def __repr__(self) -> str:
        return f"company_of({self.seed})"

    def write(self, folder: Path) -> Path:
        """Write the project's files."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.settings, ensure_ascii=False, indent=1)
        (folder / "apportion.yaml").write_text(text, encoding="utf-8")
        for name, records in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_lines(records) if name.endswith(".jsonl") else _table(records), encoding="utf-8")
        return folder

    def bills(self) -> list[str]:
        """The paths of its bills."""
        return [name for name in self.files if name.startswith("bills/")]

    def changed(self, **settings: Any) -> Company:
        """The same company with some of its settings written anew."""
        return replace(self, settings={**self.settings, **settings})

    def with_files(self, files: Mapping[str, tuple[Record, ...]]) -> Company:
        """The same company with some files written anew."""
        return replace(self, files={**self.files, **files})

    def without(self, *paths: str) -> Company:
        """The same company before some files arrived."""
        return replace(self, files={name: rows for name, rows in self.files.items() if name not in paths})

    def with_october(self) -> Company:
        """The same company with a month before: the same bills, calls and meters, under names of their own."""

        def earlier(row: Mapping[str, Any]) -> dict[str, Any]:
            moved = {key: _october(value) if isinstance(value, str) else value for key, value in row.items()}
            if row.get("InvoiceId"):
                moved["InvoiceId"] = f"{row['InvoiceId']}-october"
            if "call_id" in row:
                moved["call_id"] = f"{row['call_id']}-october"
            return moved

        found: dict[str, tuple[Record, ...]] = {}
        for name, rows in self.files.items():
            folder, _, file = name.rpartition("/")
            if folder in ("bills", "usage", "meters", "memory"):
                found[f"{folder}/october-{file}"] = tuple(earlier(row) for row in rows)
            if name == "fx.csv":
                found[name] = (*rows, *(earlier(row) for row in rows))
        return self.with_files(found)

    def shuffled(self, seed: int) -> Company:
        """The same records in another order, in every file."""
        random = Random(seed)  # noqa: S311 - a company is no secret
        return self.with_files({name: tuple(random.sample(rows, len(rows))) for name, rows in self.files.items()})

    def mirrored(self) -> Company:
        """Every bill taken back: each amount with the other sign."""
        return self.with_files(
            {
                name: tuple(dict(row) | {cost: _negated(row[cost]) for cost in _COSTS} for row in self.files[name])
                for name in self.bills()
            }
        )


def companies(*, rules: str = "every") -> st.SearchStrategy[Company]:
    """Random companies.

    Args:
        rules: `every`; or `mirror`, without those whose weights are other pools' money or a minimum.
    """
    return st.builds(company_of, st.integers(0, 2**32 - 1), rules=st.just(rules))


def company_of(seed: int, rules: str = "every") -> Company:
    """The company that a seed stands for."""
    return _Draw(Random(seed), rules).company(seed)  # noqa: S311 - a company is no secret


class _Draw:
    """Draws the parts of one company."""

    def __init__(self, random: Random, rules: str) -> None:
        self.random = random
        self.mirror = rules == "mirror"
        self.teams = [*random.sample(PLAIN, 2), *random.sample(HOSTILE, 2)]
        self.ledger = random.choice(("USD", "USD", "EUR", "JPY"))
        self.vendors = random.sample(("openai", "anthropic", "aws", "qdrant", "github"), random.randint(2, 4))
        self.calls = 0

    def company(self, seed: int) -> Company:
        files: dict[str, tuple[Record, ...]] = {
            f"bills/{vendor}.csv": tuple(self.bill(vendor)) for vendor in self.vendors
        }
        files["usage/calls.jsonl"] = tuple(self.usage())
        files["meters/gpu_hours.csv"] = tuple(self.meter())
        files["memory/gpu_memory.csv"] = tuple(self.meter())
        files["directory/people.csv"] = tuple(self.people())
        files["directory/keys.csv"] = tuple({"api_key_id": f"k-{n}", "team": t} for n, t in enumerate(self.teams[:3]))
        files["directory/teams.csv"] = tuple(
            {"team": t, "cost_center": f"CC-{n % 2}"} for n, t in enumerate(self.teams[1:])
        )
        files["seats/copilot.csv"] = tuple(self.seats())
        files["fx.csv"] = tuple(self.rates())
        return Company(seed, self.settings(), files)

    def settings(self) -> dict[str, Any]:
        pick = self.random.choice
        team = self.teams
        rules = self.rules()
        ways: list[Any] = ["scale_to_invoice", "scale_to_invoice", {"to": team[2]}]
        variance = pick([*ways, {"to": {"pool": "hub"}}] if rules[-1]["name"] == "hub" else ways)
        unallocated = {"keep": True} if self.mirror else pick([{"keep": True}, {"spread_by": "attributed_cost"}])
        return {
            "company": "Random & Co",
            "currency": self.ledger,
            "owner": "team",
            "policies": {
                "variance": "scale_to_invoice" if self.mirror else variance,
                "credits": pick(["pro_rata", "pro_rata", {"bank": team[3]}]),
                "tax": pick(["on_net", "on_net", {"account": "recoverable"}]),
                "headcount": pick(["day_weighted", "month_end"]),
            },
            "bills": [{"name": "focus", "type": "focus", "path": "bills/*.csv"}],
            "usage": [{"name": "calls", "type": "usage", "path": "usage/*.jsonl", "tokens": "disjoint"}],
            "meters": [
                {"name": "gpu_hours", "path": "meters/*.csv", "unit": "GPU-Hours"},
                {"name": "gpu_memory", "path": "memory/*.csv", "unit": "GB-Hours"},
            ],
            "directory": [
                {"name": "people", "type": "roster", "path": "directory/people.csv"},
                {"name": "keys", "type": "lookup", "path": "directory/keys.csv"},
                {"name": "teams", "type": "lookup", "path": "directory/teams.csv"},
            ],
            "seats": [{"name": "copilot", "path": "seats/*.csv"}],
            "fx": {"path": "fx.csv"},
            "scope": {"include": ["service_name = 'Qdrant Cloud'", "service_name = 'GitHub Copilot'"]},
            "dimensions": {
                "team": {
                    "evidence": [
                        {"tag": "team"},
                        {"lookup": {"key": "api_key_id", "in": "keys", "take": "team"}},
                        {"lookup": {"key": "user_id", "in": "people", "take": "team"}},
                        {"value": team[0], "when": "model like 'text-embedding-%'"},
                    ],
                    "aliases": {team[0]: ["mis-spelt"]},
                },
                "product": [{"tag": "product"}, {"value": "assist", "when": "tags.env = 'prod'"}],
                "environment": {"evidence": [{"tag": "env", "map": {"prd": "prod"}}, {"default": "none"}]},
                "cost_center": [{"lookup": {"key": "team", "in": "teams", "take": "cost_center"}}],
            },
            "allocate": rules,
            "unallocated": unallocated,
        }

    def rules(self) -> list[dict[str, Any]]:
        pick, team = self.random.choice, self.teams
        hub = pick([True, False])
        last: Any = {"pool": "hub"} if hub else team[1]
        fallback: Any = pick(
            [None, {"even": team[:3]}, {"fixed": {team[0]: 70, last_name(last): 30}}, {"headcount": {}}]
        )
        gpu: dict[str, Any] = {
            "name": "gpu",
            "when": "tags.pool = 'gpu'",
            "method": "proportional",
            "meter": "gpu_hours",
        }
        if pick([True, False, False]):
            gpu |= {"meter": ["gpu_hours", "gpu_memory"], "combine": "larger_share"}
        gpu["idle"] = pick(["separate", "spread", "by_reservation", {"to": team[3]}])
        shared: list[dict[str, Any]] = [
            {"method": "fixed", "shares": {team[0]: 33.33, team[2]: 66.66, last_name(last): 0.01}},
            {"method": "even", "among": [team[0], team[3], last]},
            {"method": "headcount"},
            {"method": "proportional", "meter": "tokens"},
            {"method": "proportional", "meter": "requests", "where": "model like 'claude%'"},
            *([] if self.mirror else [{"method": "proportional", "meter": "attributed_cost"}]),
        ]
        vector: dict[str, Any] = {"name": "vector", "when": "service_name = 'Qdrant Cloud'", **pick(shared)}
        seats: dict[str, Any] = {"name": "copilot", "when": "service_name = 'GitHub Copilot'", "method": "seats"}
        ways: list[dict[str, Any]] = [
            {"weight": "active_users", "idle": "spread"},
            {"weight": "seat_price", "idle": {"to": team[3]}},
        ]
        seats |= pick(ways)
        direct: dict[str, Any] = {"name": "inference", "when": "category = 'inference'", "method": "direct"}
        if not self.mirror and pick([True, False]):
            direct["minimum"] = {"amount": 50, "shares": {team[0]: 60, team[1]: 40}}
        found = [gpu, vector, seats, direct]
        for rule in found:
            if fallback:
                rule["fallback"] = fallback
        if hub:
            feeds = any(self.feeds(rule) for rule in found)
            end = [] if feeds else [{"name": "feeder", "when": "tags.none = 'x'", "method": "even", "among": [last]}]
            found += [*end, {"name": "hub", "method": pick(["headcount", "even"]), "among": team[:3]}]
            if found[-1]["method"] == "headcount":
                del found[-1]["among"]
        return found

    @staticmethod
    def feeds(rule: Mapping[str, Any]) -> bool:
        """Whether a rule feeds the hub."""
        text = json.dumps(rule)
        return '"pool": "hub"' in text or "pool:hub" in text

    def bill(self, vendor: str) -> list[Record]:
        random = self.random
        currency = random.choice(("USD", self.ledger, "EUR", "JPY"))
        rows = []
        for number in range(random.randint(1, 2)):
            invoice = random.choice((f"{vendor}-{number}", ""))
            rows += [self.charge(vendor, invoice, currency) for _ in range(random.randint(1, 4))]
            for category in ("Credit", "Tax"):
                if random.random() < 0.5:
                    rows.append(self.charge(vendor, invoice, currency, category))
        return rows

    def charge(self, vendor: str, invoice: str, currency: str, category: str = "Usage") -> Record:
        random = self.random
        start, end = random.choice(WINDOWS)
        amount = random.choice(AMOUNTS)
        if category == "Credit":
            amount = _negated(amount.removeprefix("-"))
        if category == "Tax":
            amount = random.choice(("8.25", "0.000000000001", "1234.56"))
        effective = random.choice((amount, amount, amount, "0.00", "7.77")) if category == "Usage" else amount
        tags = random.choice(({}, {}, {"team": random.choice(self.teams)}, {"env": "prd", "product": "b"}))
        row = {
            "BillingAccountId": f"acc-{vendor}",
            "BillingCurrency": currency,
            "BillingPeriodStart": f"{MONTH[0]}T00:00:00Z",
            "BillingPeriodEnd": f"{MONTH[1]}T00:00:00Z",
            "ChargePeriodStart": f"{start}T00:00:00Z",
            "ChargePeriodEnd": f"{end}T00:00:00Z",
            "ChargeCategory": category,
            "ChargeClass": "Correction" if category == "Usage" and random.random() < 0.1 else "",
            "BilledCost": amount,
            "EffectiveCost": effective,
            "InvoiceId": invoice,
            "InvoiceIssuerName": vendor.title(),
            "ServiceCategory": "AI and Machine Learning",
            "ResourceId": "",
            "x_Model": "",
        }
        row |= self.service(vendor, category, tags)
        return row | {"Tags": json.dumps(tags, ensure_ascii=False)}

    def service(self, vendor: str, category: str, tags: dict[str, str]) -> Record:
        if vendor in MODELS:
            name = {"openai": "OpenAI API", "anthropic": "Claude API"}[vendor]
            model = self.random.choice((*MODELS[vendor], "")) if category == "Usage" else ""
            meter = "input tokens" if category == "Usage" else category
            return {
                "ProviderName": vendor.title(),
                "ServiceName": name,
                "ChargeDescription": f"{model} {meter}",
                "SkuMeter": meter,
                "x_Model": model,
            }
        if vendor == "aws":
            if category == "Usage" and self.random.random() < 0.3:
                return {
                    "ProviderName": "AWS",
                    "ServiceName": "Amazon Simple Storage Service",
                    "ServiceCategory": "Storage",
                    "ChargeDescription": "storage",
                    "SkuMeter": "TimedStorage-ByteHrs",
                }
            tags["pool"] = "gpu"
            return {
                "ProviderName": "AWS",
                "ServiceName": "Amazon Elastic Compute Cloud",
                "ServiceCategory": "Compute",
                "ChargeDescription": "g5.12xlarge instance hour" if category == "Usage" else category,
                "SkuMeter": "BoxUsage:g5.12xlarge" if category == "Usage" else category,
                "ResourceId": self.random.choice(("node-a", "node-b", "node-x")),
            }
        service = {"qdrant": "Qdrant Cloud", "github": "GitHub Copilot"}[vendor]
        return {"ProviderName": vendor.title(), "ServiceName": service, "ChargeDescription": category}

    def usage(self) -> list[Record]:
        random = self.random
        rows: list[Record] = []
        for _ in range(random.randint(0, 30)):
            vendor = random.choice(("openai", "anthropic"))
            tags: dict[str, str] = {}
            if random.random() < 0.6:
                tags["team"] = random.choice((*self.teams, "mis-spelt"))
            if random.random() < 0.4:
                tags["env"] = random.choice(("prod", "prd", "dev"))
            row: dict[str, Any] = {
                "called_at": f"2026-11-{random.randint(1, 30):02d}T{random.randint(0, 23):02d}:59:59Z",
                "provider": vendor,
                "billing_account_id": random.choice((f"acc-{vendor}", f"acc-{vendor}", "")),
                "operation": "chat",
                "model": random.choice((*MODELS[vendor], *MODELS[vendor], UNPRICED, "")),
                "api_key_id": random.choice(("k-0", "k-1", "k-9", "")),
                "user_id": random.choice(("u-0", "u-1", "u-9", "")),
                "requests": random.choice((1, 1, 7)),
                "uncached_input_tokens": random.choice((0, 1, 999_983, 10**9)),
                "output_tokens": random.choice((0, 3, 50_021)),
                "tags": tags,
            }
            self.calls += 1
            row["call_id"] = f"c-{self.calls}"
            rows += [row, row] if random.random() < 0.1 else [row]
            if random.random() < 0.05:
                rows.append({**row, "call_id": f"bad-{self.calls}", "output_tokens": "many"})
        return rows

    def meter(self) -> list[Record]:
        random = self.random
        rows: list[Record] = []
        for day in (3, 12, 20):
            for item in ("node-a", "node-b"):
                rows += [
                    {
                        "item": item,
                        "day": f"2026-11-{day:02d}",
                        "team": team,
                        "quantity": random.choice(("0", "0.000001", "7.5", "24", "96")),
                        "capacity": random.choice(("192", "192", "")),
                        "reservation": random.choice(("", "", "48")),
                    }
                    for team in random.sample([*self.teams, ""], random.randint(0, 3))
                ]
        return rows or [{"item": "node-a", "day": "2026-11-03", "team": "", "quantity": "0", "capacity": ""}]

    def people(self) -> list[Record]:
        rows: list[Record] = []
        for number in range(self.random.randint(1, 6)):
            team, other = self.random.sample(self.teams, 2)
            move = f"2026-11-{self.random.randint(2, 29):02d}"
            rows.append({"person": f"u-{number}", "team": team, "valid_from": "2026-01-01", "valid_to": move})
            if number % 2:
                rows.append({"person": f"u-{number}", "team": other, "valid_from": move, "valid_to": ""})
        return rows

    def seats(self) -> list[Record]:
        return [
            {
                "tool": "copilot",
                "seat_id": f"s-{number}",
                "assigned_to": self.random.choice((f"u-{number}", f"u-{number}", "")),
                "price": "39.00",
                "valid_from": self.random.choice(("2026-11-01", "2026-11-20")),
                "valid_to": "2026-12-01",
                "last_active_at": self.random.choice(("2026-11-21T09:12:00Z", "2026-11-02T00:00:00Z", "")),
            }
            for number in range(self.random.randint(1, 5))
        ]

    def rates(self) -> list[Record]:
        in_dollars = {"USD": Decimal(1), "EUR": Decimal("1.0837"), "JPY": Decimal("0.0066")}
        return [
            {"currency": code, "period": "2026-11", "rate": f"{rate / in_dollars[self.ledger]:.9f}"}
            for code, rate in in_dollars.items()
            if code != self.ledger
        ]


def last_name(owner: Any) -> str:
    """An owner as a key, which a pool is written as text in."""
    return f"pool:{owner['pool']}" if isinstance(owner, dict) else str(owner)


def _october(text: str) -> str:
    if text == "2026-11":
        return "2026-10"
    return text.replace("2026-11-", "2026-10-").replace("2026-12-01", "2026-11-01")


def _negated(amount: str) -> str:
    if not Decimal(amount):
        return amount
    return amount[1:] if amount.startswith("-") else f"-{amount}"


def _table(records: tuple[Record, ...]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(name for record in records for name in record))
    out = csv.DictWriter(text, names, restval="", lineterminator="\n")
    out.writeheader()
    out.writerows(records)
    return text.getvalue()


def _lines(records: tuple[Record, ...]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
