"""Write the usage of Acme, and the bills and the meter that follow from it.

Run it in this folder: `python make_usage.py`. It reads nothing, uses no chance and no clock, and writes the
same bytes every time; the files it writes are part of the example. People, prices of the GPU node and
quantities are made up. Token prices are list prices of the two vendors (read 2026-11-23), with the ten per
cent off that Acme has negotiated for one model (prices.yaml).
"""  # noqa: INP001 - a script beside its data, not a package

from __future__ import annotations

import csv
import json
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
PERIODS = ((2026, 10), (2026, 11))
KINDS = ("input", "cache_read", "cache_write", "output")
# USD per million tokens, in the order of KINDS.
PRICES = {
    "gpt-5.4-mini": ("0.75", "0.075", "0", "4.50"),
    "text-embedding-3-small": ("0.02", "0", "0", "0"),
    "o6-preview": ("12.00", "1.20", "0", "48.00"),
    "claude-sonnet-5": ("2.00", "0.20", "2.50", "10.00"),
    "claude-haiku-4-5": ("0.90", "0.09", "1.125", "4.50"),
}
# Tokens that the vendor bills and the gateway never saw, per thousand, by vendor and month.
UNSEEN = {"openai": (6, 14), "anthropic": (0, 4)}
CUSTOMERS = ("birch", "cedar", "dune")
GPU_HOUR_PRICE = Decimal("1.418")
GPUS = 4


@dataclass(frozen=True)
class Workload:
    """One program that calls a model: who it is, as far as its calls say, and how much a row of it holds.

    Attributes:
        tokens: Millions in one row, in the order of KINDS.
        rows: In the first month; the second has a fifth more.
        by_customer: Whether its calls name the customer they serve.
    """

    vendor: str
    model: str
    tokens: tuple[str, str, str, str]
    rows: int
    key: str
    place: str = ""
    user: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    by_customer: bool = False
    batch: bool = False
    operation: str = "chat"


WORKLOADS = (
    Workload("openai", "gpt-5.4-mini", ("14.2", "22.5", "0", "3.1"), 20, "k-support-1", "support",
             tags={"team": "support", "env": "prd", "feature": "reply-draft"}, by_customer=True),
    Workload("openai", "gpt-5.4-mini", ("9.8", "11.4", "0", "1.7"), 14, "k-search-1", "",
             tags={"team": "serach", "env": "prod", "feature": "query-rewrite"}),
    Workload("openai", "text-embedding-3-small", ("310.5", "0", "0", "0"), 8, "k-search-index", "",
             tags={"env": "prod", "feature": "indexing"}, batch=True, operation="embeddings"),
    Workload("openai", "gpt-5.4-mini", ("6.1", "2.9", "0", "2.4"), 12, "k-growth-1", "growth",
             tags={"env": "staging", "feature": "copywriter"}),
    Workload("openai", "gpt-5.4-mini", ("4.3", "0.8", "0", "0.9"), 6, "k-notebooks", "", "u-204",
             tags={"env": "dev"}),
    Workload("openai", "gpt-5.4-mini", ("7.7", "1.2", "0", "1.3"), 6, "k-legacy"),
    Workload("openai", "o6-preview", ("0.2", "0.05", "0", "0.06"), 3, "k-search-1", "",
             tags={"team": "search", "env": "dev", "feature": "answers"}),
    Workload("openai", "o6-preview", ("0.15", "0", "0", "0.04"), 2, "k-growth-1", "growth",
             tags={"env": "dev"}),
    Workload("anthropic", "claude-sonnet-5", ("11.9", "30.2", "2.4", "2.8"), 22, "k-ant-1", "support",
             tags={"env": "prd", "feature": "triage"}, by_customer=True),
    Workload("anthropic", "claude-haiku-4-5", ("16.4", "8.8", "1.1", "3.6"), 20, "k-ant-2", "",
             tags={"team": "search", "env": "production", "feature": "answers"}, by_customer=True),
    Workload("anthropic", "claude-sonnet-5", ("8.3", "3.5", "0.6", "1.9"), 12, "k-ant-3", "growth",
             tags={"env": "prod", "feature": "campaigns"}),
    Workload("anthropic", "claude-sonnet-5", ("5.2", "0.4", "0", "1.1"), 5, "k-ant-9", "", "u-999"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of usage: a day's calls of one workload under one key."""

    called_at: str
    work: Workload
    call_id: str
    requests: int
    tokens: tuple[int, int, int, int]
    customer: str


def rows_of(period: int) -> Iterator[Row]:
    """The rows of one month, by day."""
    year, month = PERIODS[period]
    days = monthrange(year, month)[1]
    made = []
    for place, work in enumerate(WORKLOADS):
        count = work.rows if period == 0 else work.rows * 6 // 5
        for n in range(count):
            day = 1 + n * (days - 1) // max(count - 1, 1)
            # Neighbouring days differ by up to a quarter, in a pattern of 11 that no eye will follow.
            swing = 88 + (n * 7 + place * 3 + period * 5) % 25
            tokens = tuple(int(Decimal(t) * 10_000 * swing) + (n * 37 if Decimal(t) else 0) for t in work.tokens)
            customer = CUSTOMERS[(n * n + place) % len(CUSTOMERS)] if work.by_customer else ""
            made.append(
                Row(
                    f"{year}-{month:02d}-{day:02d}T{(8 + n * 5 + place) % 24:02d}:00:00Z",
                    work,
                    f"{work.vendor[:2]}-{month}-{place:02d}{n:02d}",
                    180 + swing * (place + 2),
                    (tokens[0], tokens[1], tokens[2], tokens[3]),
                    customer,
                )
            )
    yield from sorted(made, key=lambda row: (row.called_at, row.call_id))


def tags_of(row: Row) -> dict[str, str]:
    """The tags that the call carries."""
    return {**row.work.tags, **({"customer": row.customer} if row.customer else {})}


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    """A CSV file whose columns are those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_openai_usage(name: str, rows: list[Row]) -> None:
    """The vendor's own daily buckets: disjoint token columns, one row per key and day."""
    write_csv(
        HERE / "usage" / f"openai-{name}.csv",
        [
            {
                "called_at": row.called_at,
                "provider": "openai",
                "billing_account_id": "org-acme",
                "operation": row.work.operation,
                "model": row.work.model,
                "processing": "batch" if row.work.batch else "",
                "api_key_id": row.work.key,
                "project": row.work.place,
                "user_id": row.work.user,
                "call_id": row.call_id,
                "requests": row.requests,
                "uncached_input_tokens": row.tokens[0],
                "cache_read_tokens": row.tokens[1],
                "output_tokens": row.tokens[3],
                "reasoning_tokens": row.tokens[3] // 5,
                "tags": json.dumps(tags_of(row)) if tags_of(row) else "",
            }
            for row in rows
        ],
    )


def write_anthropic_usage(name: str, rows: list[Row]) -> None:
    """What a gateway logs: OpenTelemetry GenAI names, whose input tokens include the cached ones."""
    path = HERE / "usage" / f"anthropic-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in rows:
        record: dict[str, object] = {
            "called_at": row.called_at,
            "gen_ai.provider.name": "anthropic",
            "billing_account_id": "acme-anthropic",
            "gen_ai.operation.name": row.work.operation,
            "gen_ai.response.model": row.work.model,
            "api_key_id": row.work.key,
            "workspace": row.work.place or None,
            "user_id": row.work.user or None,
            "gen_ai.response.id": row.call_id,
            "requests": row.requests,
            "gen_ai.usage.input_tokens": sum(row.tokens[:3]),
            "gen_ai.usage.cache_read.input_tokens": row.tokens[1],
            "gen_ai.usage.cache_creation.input_tokens": row.tokens[2],
            "gen_ai.usage.output_tokens": row.tokens[3],
            "tags": tags_of(row),
        }
        lines.append(json.dumps({key: value for key, value in record.items() if value not in (None, {})}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def charge(period: int, given: dict[str, object]) -> dict[str, object]:
    """A row in the shape of FOCUS 1.2, its costs all equal unless given."""
    year, month = PERIODS[period]
    start = f"{year}-{month:02d}-01T00:00:00Z"
    end = f"{year}-{month + 1:02d}-01T00:00:00Z"
    cost = given["BilledCost"]
    row: dict[str, object] = {
        "BillingAccountId": "",
        "BillingCurrency": "USD",
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "",
        "ChargeFrequency": "Usage-Based",
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "ConsumedQuantity": "",
        "ConsumedUnit": "",
        "InvoiceId": "",
        "InvoiceIssuerName": "",
        "ProviderName": "",
        "PublisherName": "",
        "RegionId": "",
        "ResourceId": "",
        "ResourceType": "",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "",
        "SkuId": "",
        "SkuMeter": "",
        "SkuPriceId": "",
        "SubAccountId": "",
        "Tags": "",
    }
    return {**row, **given}


def cents(amount: Decimal) -> Decimal:
    """Rounded once, ties away from zero."""
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def token_charges(period: int, vendor: str, rows: list[Row], head: dict[str, object]) -> list[dict[str, object]]:
    """A charge for each model and kind of token."""
    sums: dict[tuple[str, bool, int], int] = {}
    for row in rows:
        for kind, count in enumerate(row.tokens):
            at = (row.work.model, row.work.batch, kind)
            sums[at] = sums.get(at, 0) + count
    made = []
    for (model, batch, kind), seen in sums.items():
        price = Decimal(PRICES[model][kind]) / (2 if batch else 1)
        if not seen or not price:
            continue
        tokens = seen + seen * UNSEEN[vendor][period] // 1_000
        label = f"{KINDS[kind].replace('_', ' ')} tokens" + (", batch" if batch else "")
        made.append(
            charge(
                period,
                {
                    **head,
                    "ChargeDescription": f"{model} {label}",
                    "BilledCost": (tokens * price / 1_000_000).normalize(),
                    "ConsumedQuantity": tokens,
                    "ConsumedUnit": "Tokens",
                    "SkuId": model,
                    "SkuMeter": label.capitalize(),
                    "SkuPriceId": f"{model}-{KINDS[kind]}" + ("-batch" if batch else ""),
                    "x_Model": model,
                },
            )
        )
    return made


def openai_bill(period: int, rows: list[Row]) -> list[dict[str, object]]:
    """Tokens, a fine-tuning job that names its team, and in the first month a promotional credit."""
    name = "{}-{:02d}".format(*PERIODS[period])
    head: dict[str, object] = {
        "BillingAccountId": "org-acme",
        "InvoiceId": f"OAI-{name}",
        "InvoiceIssuerName": "OpenAI",
        "ProviderName": "OpenAI",
        "PublisherName": "OpenAI",
        "ServiceName": "OpenAI API",
        "x_Model": "",
    }
    made = token_charges(period, "openai", rows, head)
    tune = {"team": "growth", "job_type": "finetune", "env": "dev"}
    made.append(
        charge(
            period,
            {
                **head,
                "ChargeDescription": "Fine-tuning job ft-81",
                "BilledCost": Decimal(("384.50", "212.75")[period]),
                "SkuId": "ft-81",
                "SkuMeter": "Training tokens",
                "Tags": json.dumps(tune),
            },
        )
    )
    if period == 0:
        credit = {"ChargeCategory": "Credit", "ChargeFrequency": "One-Time", "BilledCost": Decimal("-150.00")}
        made.append(charge(period, {**head, **credit, "ChargeDescription": "Promotional credit"}))
    return made


def anthropic_bill(period: int, rows: list[Row]) -> list[dict[str, object]]:
    """Tokens, and a sales tax of 8.25 % on them."""
    name = "{}-{:02d}".format(*PERIODS[period])
    head: dict[str, object] = {
        "BillingAccountId": "acme-anthropic",
        "InvoiceId": f"ANT-{name}",
        "InvoiceIssuerName": "Anthropic",
        "ProviderName": "Anthropic",
        "PublisherName": "Anthropic",
        "ServiceName": "Claude API",
        "x_Model": "",
    }
    made = token_charges(period, "anthropic", rows, head)
    net = sum((Decimal(str(row["BilledCost"])) for row in made), Decimal(0))
    tax = {
        "ChargeCategory": "Tax",
        "ChargeFrequency": "One-Time",
        "BilledCost": cents(net * Decimal("0.0825")),
    }
    made.append(charge(period, {**head, **tax, "ChargeDescription": "Sales tax 8.25 %"}))
    return made


def aws_bill(period: int) -> list[dict[str, object]]:
    """A GPU node day by day, and four rows that have nothing to do with AI."""
    year, month = PERIODS[period]
    head: dict[str, object] = {
        "BillingAccountId": "100200300400",
        "InvoiceId": f"AWS-{year}-{month:02d}-8842",
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "ProviderName": "AWS",
        "PublisherName": "Amazon Web Services, Inc.",
        "RegionId": "us-east-1",
        "SubAccountId": "500600700800",
    }
    made = []
    for day in range(1, monthrange(year, month)[1] + 1):
        last = day == monthrange(year, month)[1]
        following = f"{year}-{month + 1:02d}-01" if last else f"{year}-{month:02d}-{day + 1:02d}"
        made.append(
            charge(
                period,
                {
                    **head,
                    "ChargePeriodStart": f"{year}-{month:02d}-{day:02d}T00:00:00Z",
                    "ChargePeriodEnd": f"{following}T00:00:00Z",
                    "ChargeDescription": "g5.12xlarge Linux/UNIX on-demand instance hour",
                    "BilledCost": GPU_HOUR_PRICE * GPUS * 24,
                    "ConsumedQuantity": 24,
                    "ConsumedUnit": "Hours",
                    "ResourceId": "gpu-node-a",
                    "ResourceType": "Instance",
                    "ServiceCategory": "Compute",
                    "ServiceName": "Amazon Elastic Compute Cloud",
                    "SkuId": "g5.12xlarge",
                    "SkuMeter": "BoxUsage:g5.12xlarge",
                    "Tags": json.dumps({"pool": "gpu", "env": "prod"}),
                },
            )
        )
    others = (
        (
            "Amazon Simple Storage Service",
            "Storage",
            "TimedStorage-ByteHrs",
            "S3 standard storage",
            "412.0837",
        ),
        (
            "Amazon Elastic Compute Cloud",
            "Compute",
            "BoxUsage:m6i.2xlarge",
            "m6i.2xlarge instance hours",
            "1142.784",
        ),
        ("Amazon Elastic Block Store", "Storage", "EBS:VolumeUsage.gp3", "gp3 volumes", "238.40"),
        ("AWS Data Transfer", "Networking", "DataTransfer-Out-Bytes", "Data transfer out", "96.3152"),
    )
    for service, category, meter, text, cost in others:
        given = {
            "ServiceName": service,
            "ServiceCategory": category,
            "SkuMeter": meter,
            "ChargeDescription": text,
        }
        made.append(charge(period, {**head, **given, "BilledCost": Decimal(cost)}))
    return made


def tool_bills(period: int) -> dict[str, list[dict[str, object]]]:
    """The vector database, in euro, and the coding assistant, with one seat that joined late."""
    year, month = PERIODS[period]
    database: dict[str, object] = {
        "BillingAccountId": "acme-qdrant",
        "BillingCurrency": "EUR",
        "BilledCost": Decimal(("612.40", "634.90")[period]),
        "ChargeDescription": "Managed vector database cluster",
        "ChargeFrequency": "Recurring",
        "InvoiceId": f"QD-{year}-{month:02d}",
        "InvoiceIssuerName": "Qdrant Solutions GmbH",
        "ProviderName": "Qdrant",
        "PublisherName": "Qdrant",
        "ServiceCategory": "Databases",
        "ServiceName": "Qdrant Cloud",
        "SkuId": "cluster-3x8",
        "SkuMeter": "Cluster month",
    }
    seats: dict[str, object] = {
        "BillingAccountId": "acme-github",
        "BilledCost": Decimal("468.00"),
        "ChargeCategory": "Purchase",
        "ChargeDescription": "Copilot Business, 12 seats",
        "ChargeFrequency": "Recurring",
        "ConsumedQuantity": "",
        "InvoiceId": f"GH-{year}-{month:02d}",
        "InvoiceIssuerName": "GitHub, Inc.",
        "ProviderName": "GitHub",
        "PublisherName": "GitHub",
        "ServiceCategory": "Developer Tools",
        "ServiceName": "GitHub Copilot",
        "SkuId": "copilot-business",
        "SkuMeter": "Seat month",
    }
    tool = [charge(period, seats)]
    if period == 1:
        late = {
            "BilledCost": Decimal("14.30"),
            "ChargeDescription": "Copilot Business, 1 seat from 20 November",
        }
        tool.append(charge(period, {**seats, **late}))
    return {"qdrant": [charge(period, database)], "github": tool}


def gpu_meter(period: int) -> list[dict[str, object]]:
    """Hours that each team's jobs held a GPU; the node's capacity stands once a day, on the first row."""
    year, month = PERIODS[period]
    made: list[dict[str, object]] = []
    for day in range(1, monthrange(year, month)[1] + 1):
        weekend = (day + (3, 6)[period]) % 7 in {0, 6}
        for place, (team, hours) in enumerate((("search", 38), ("growth", 9), ("support", 21))):
            swing = (day * (place + 3)) % 8
            used = Decimal(hours + swing - 4) / (3 if weekend else 1)
            made.append(
                {
                    "item": "gpu-node-a",
                    "day": f"{year}-{month:02d}-{day:02d}",
                    "team": team,
                    "quantity": used.quantize(Decimal("0.01")),
                    "capacity": GPUS * 24 if place == 0 else "",
                }
            )
    return made


def main() -> None:
    """Write every file."""
    printed: list[dict[str, object]] = []
    hours: list[dict[str, object]] = []
    for period, (year, month) in enumerate(PERIODS):
        name = f"{year}-{month:02d}"
        rows = list(rows_of(period))
        openai = [row for row in rows if row.work.vendor == "openai"]
        anthropic = [row for row in rows if row.work.vendor == "anthropic"]
        write_openai_usage(name, openai)
        write_anthropic_usage(name, anthropic)
        hours += gpu_meter(period)
        bills = {
            "anthropic": anthropic_bill(period, anthropic),
            "aws": aws_bill(period),
            **tool_bills(period),
            "openai": openai_bill(period, openai),
        }
        for vendor, charges in bills.items():
            shown = [{**row, **{k: f"{v:f}" for k, v in row.items() if isinstance(v, Decimal)}} for row in charges]
            write_csv(HERE / "bills" / name / f"{vendor}.csv", shown)
            total = sum((Decimal(str(row["BilledCost"])) for row in charges), Decimal(0))
            printed.append(
                {
                    "issuer": charges[0]["InvoiceIssuerName"],
                    "invoice_id": charges[0]["InvoiceId"],
                    "billing_account_id": charges[0]["BillingAccountId"],
                    "period": name,
                    "currency": charges[0]["BillingCurrency"],
                    "total": cents(total),
                    "invoice_date": f"{year}-{month + 1:02d}-03",
                }
            )
    write_csv(HERE / "bills" / "invoices.csv", printed)
    write_csv(HERE / "meters" / "gpu_hours.csv", hours)


if __name__ == "__main__":
    main()
