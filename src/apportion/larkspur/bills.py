"""What Larkspur is billed: five issuers a month in the FOCUS form, and the printed totals of their invoices.

Model vendors bill what was used; the rest is written down here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

from apportion.larkspur.company import MONTHS, SEAT_PRICE, seats
from apportion.larkspur.usage import Call, days, write_csv
from apportion.larkspur.workloads import ACCOUNTS, ANTHROPIC, BEDROCK, KINDS, OPENAI, PRICE_CHANGED_ON, prices

Row = dict[str, object]

# Tokens that OpenAI bills and nobody measured, per thousand.
UNSEEN = 8
MINIMUM = "100.00"
CREDIT = "-250.00"
CORRECTION = "37.42"
FINE_TUNING = ("1842.36", "57.60")
DATABASE_EUR = "612.40"
NODE, GPUS, NODE_DAY = "gpu-node-a", 4, "110.4384"
# By place in MONTHS.
_JULY, _AUGUST, _SEPTEMBER, _OCTOBER = range(4)

_COLUMNS = (
    "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
    "ChargePeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "BilledCost",
    "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity", "ConsumedUnit", "InvoiceId", "InvoiceIssuerName",
    "ProviderName", "PublisherName", "RegionId", "ResourceId", "ServiceCategory", "ServiceName", "SkuId", "SkuMeter",
    "Tags", "x_Model",
)  # fmt: skip
_AI = "AI and Machine Learning"


def write_bills(folder: Path, months: Sequence[Sequence[Call]]) -> None:
    """The bills of every month, given its calls, and the list of invoices."""
    invoices: list[Row] = []
    for month, calls in enumerate(months):
        bills = {
            "openai": _openai(month, calls),
            "anthropic": _anthropic(month, calls),
            "aws": _aws(month, calls),
            "github": _github(month),
            "qdrant": _qdrant(month),
        }
        for issuer, rows in bills.items():
            write_csv(folder / _name(month) / f"{issuer}.csv", rows)
            invoices.append(_invoice(month, rows))
    write_csv(folder / "invoices.csv", invoices)


def _name(month: int) -> str:
    return "{}-{:02d}".format(*MONTHS[month])


def _invoice(month: int, rows: Sequence[Row]) -> Row:
    total = sum((Decimal(str(row["BilledCost"])) for row in rows), Decimal(0))
    first = rows[0]
    return {
        "issuer": first["InvoiceIssuerName"],
        "invoice_id": first["InvoiceId"],
        "billing_account_id": first["BillingAccountId"],
        "period": _name(month),
        "currency": first["BillingCurrency"],
        "total": total.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP),
        "invoice_date": (days(month)[-1] + timedelta(days=3)).isoformat(),
    }


def _charge(month: int, cost: object, given: Row, start: date | None = None, end: date | None = None) -> Row:
    """A row of a bill over the whole month, or over some of its days."""
    whole = days(month)
    first, after = whole[0], whole[-1] + timedelta(days=1)
    row: Row = dict.fromkeys(_COLUMNS, "")
    row |= {"BilledCost": cost, "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost}
    row |= {"BillingPeriodStart": f"{first}T00:00:00Z", "BillingPeriodEnd": f"{after}T00:00:00Z"}
    row |= {"ChargePeriodStart": f"{start or first}T00:00:00Z", "ChargePeriodEnd": f"{end or after}T00:00:00Z"}
    return row | {"BillingCurrency": "USD", "ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based"} | given


def _issuer(month: int, prefix: str, issuer: str, provider: str, account: str, service: str) -> Row:
    return {
        "BillingAccountId": account,
        "InvoiceId": f"{prefix}-{_name(month)}",
        "InvoiceIssuerName": issuer,
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": _AI,
        "ServiceName": service,
    }


def _tokens(month: int, provider: str, calls: Sequence[Call], head: Row, unseen: int = 0) -> list[Row]:
    """A charge for each model, kind of token and price: a new price in mid-month is a charge of its own."""
    sums: dict[tuple[str, date, int], int] = {}
    batches = {}
    for call in calls:
        if call.work.provider == provider:
            batches[call.work.model] = call.work.batch
            for kind, count in enumerate(call.tokens):
                at = (call.work.model, _priced_from(call.work.model, month, call.at.date()), kind)
                sums[at] = sums.get(at, 0) + count
    found = []
    for (model, since, kind), seen in sorted(sums.items()):
        price = prices(model, since)[kind]
        tokens = seen + seen * unseen // 1_000
        if not tokens or not price:
            continue
        label = KINDS[kind].replace("_", " ") + " tokens" + (", batch" if batches[model] else "")
        until = PRICE_CHANGED_ON if since < PRICE_CHANGED_ON <= days(month)[-1] and _changes(model) else None
        found.append(
            _charge(
                month,
                exact(tokens * price / 10**6),
                {
                    **head,
                    "ChargeDescription": f"{model} {label}",
                    "ConsumedQuantity": tokens,
                    "ConsumedUnit": "Tokens",
                    "SkuId": model,
                    "SkuMeter": label.capitalize(),
                    "x_Model": model,
                },
                since,
                until,
            )
        )
    return found


@cache
def _changes(model: str) -> bool:
    return prices(model, PRICE_CHANGED_ON) != prices(model, PRICE_CHANGED_ON - timedelta(days=1))


def _priced_from(model: str, month: int, day: date) -> date:
    first = days(month)[0]
    return PRICE_CHANGED_ON if _changes(model) and first < PRICE_CHANGED_ON <= day else first


def exact(amount: Fraction) -> Decimal:
    """A fraction whose denominator has only twos and fives, as a decimal."""
    return (Decimal(amount.numerator) / Decimal(amount.denominator)).normalize() + 0


def _openai(month: int, calls: Sequence[Call]) -> list[Row]:
    head = _issuer(month, "OAI", "OpenAI", "OpenAI", ACCOUNTS[OPENAI], "OpenAI API")
    rows = _tokens(month, OPENAI, calls, head, UNSEEN)
    if month == _SEPTEMBER:
        tags = '{"team": "data-science", "job_type": "finetune", "env": "dev"}'
        for cost, what in zip(FINE_TUNING, ("training", "hosting"), strict=True):
            job = {"ChargeDescription": f"Fine-tuning job ft-81, {what}", "SkuId": "ft-81", "Tags": tags}
            rows.append(_charge(month, cost, {**head, **job, "SkuMeter": f"Fine-tuning {what}"}))
        credit = {"ChargeCategory": "Credit", "ChargeFrequency": "One-Time", "ChargeDescription": "Promotional credit"}
        rows.append(_charge(month, CREDIT, {**head, **credit}))
    return rows


def _anthropic(month: int, calls: Sequence[Call]) -> list[Row]:
    head = _issuer(month, "ANT", "Anthropic", "Anthropic", ACCOUNTS[ANTHROPIC], "Claude API")
    rows = _tokens(month, ANTHROPIC, calls, head)
    if month == _OCTOBER:
        late = {
            "ChargeClass": "Correction",
            "ChargeDescription": "Usage of August reported late",
            "Tags": '{"team": "support", "feature": "assist-reply"}',
            "x_Model": "claude-sonnet-5",
        }
        august = days(_AUGUST)
        rows.append(_charge(month, CORRECTION, {**head, **late}, august[0], august[-1] + timedelta(days=1)))
    return rows


def _aws(month: int, calls: Sequence[Call]) -> list[Row]:
    """Bedrock, the GPU node day by day, and rows that have nothing to do with AI."""
    issuer, account = "Amazon Web Services, Inc.", ACCOUNTS[BEDROCK]
    bedrock = _issuer(month, "AWS", issuer, "AWS", account, "Amazon Bedrock") | {"RegionId": "us-east-1"}
    if month == _JULY:
        least = {"ChargeDescription": "Amazon Nova Pro, contract minimum", "x_Model": "amazon.nova-pro-v1:0"}
        rows = [_charge(month, MINIMUM, {**bedrock, **least, "ChargeFrequency": "Recurring"})]
    else:
        rows = _tokens(month, BEDROCK, calls, bedrock)
    machines = {**bedrock, "ServiceCategory": "Compute", "ServiceName": "Amazon Elastic Compute Cloud"}
    for day in days(month):
        node = {
            "ChargeDescription": "g6.12xlarge Linux/UNIX on-demand instance hour",
            "ConsumedQuantity": 24,
            "ConsumedUnit": "Hours",
            "ResourceId": NODE,
            "SkuId": "g6.12xlarge",
            "SkuMeter": "BoxUsage:g6.12xlarge",
            "Tags": '{"pool": "gpu", "env": "prod"}',
        }
        rows.append(_charge(month, NODE_DAY, {**machines, **node}, day, day + timedelta(days=1)))
    other = {"SkuId": "m7i.xlarge", "SkuMeter": "BoxUsage:m7i.xlarge", "ResourceId": "web-1"}
    rows.append(_charge(month, "290.30", {**machines, **other, "ChargeDescription": "m7i.xlarge instance hour"}))
    store = {"ServiceCategory": "Storage", "ServiceName": "Amazon Simple Storage Service", "SkuId": "s3-standard"}
    rows.append(_charge(month, "118.07", {**bedrock, **store, "ChargeDescription": "Standard storage"}))
    return rows


def _github(month: int) -> list[Row]:
    head = _issuer(month, "GH", "GitHub, Inc.", "GitHub", "larkspur-github", "GitHub Copilot")
    seat = {"ServiceCategory": "Developer Tools", "SkuId": "copilot-business", "SkuMeter": "Seat month"}
    count = len(seats())
    said = {"ChargeDescription": f"Copilot Business, {count} seats", "ChargeCategory": "Purchase"}
    return [_charge(month, Decimal(SEAT_PRICE) * count, {**head, **seat, **said, "ChargeFrequency": "Recurring"})]


def _qdrant(month: int) -> list[Row]:
    """Billed in euro to the German company."""
    head = _issuer(month, "QD", "Qdrant Solutions GmbH", "Qdrant", "larkspur-gmbh-qdrant", "Qdrant Cloud")
    said = {"BillingCurrency": "EUR", "ServiceCategory": "Databases", "SkuId": "cluster-3x8"}
    text = "Managed vector database cluster"
    return [_charge(month, DATABASE_EUR, {**head, **said, "ChargeDescription": text, "ChargeFrequency": "Recurring"})]
