"""Real traces of calls: priced, allocated and estimated, each total worked out apart in whole numbers."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from apportion.money import from_minor, split
from tests.real.company import Company, records, write_csv

# --- one hour of an Azure service: tokens and times only; model, prices and owners are the test's -------------------

NOVEMBER_2023 = "2023-11"
INPUT_PICOS, OUTPUT_PICOS = 2_500_000, 10_000_000  # 2.50 and 10.00 USD per million tokens
PICOS_PER_CENT = 10**10
BILLED_CENTS = 12_345
SERVICES = {"code": 8_819, "conv": 19_366}
TRACE = """\
company: Trace
currency: USD
usage:
  - name: code
    type: usage
    path: "usage/code.csv"
    tokens: disjoint
    columns: {called_at: TIMESTAMP, uncached_input_tokens: ContextTokens, output_tokens: GeneratedTokens}
    set: {provider: pelion, billing_account_id: pelion-1, response_model: atlas-large, operation: chat, project: code}
  - name: conv
    type: usage
    path: "usage/conv.csv"
    tokens: disjoint
    columns: {called_at: TIMESTAMP, uncached_input_tokens: ContextTokens, output_tokens: GeneratedTokens}
    set: {provider: pelion, billing_account_id: pelion-1, response_model: atlas-large, operation: chat, project: conv}
prices: {overrides: "prices.yaml"}
dimensions:
  team:
    - {value: early, when: "called_at < '2023-11-16T18:45:00Z'"}
    - {value: late,  when: "called_at >= '2023-11-16T19:45:00+01:00'"}
  service: [{column: project}]
categories:
  - {category: inference, when: "provider = 'pelion'"}
allocate:
  - {name: inference, when: "category = 'inference'", method: direct}
"""
PRICES = """\
prices:
  - provider: pelion
    model: atlas-large
    from: 2023-01-01
    source: made up for this test
    checked: 2026-11-23
    input: 2.50
    output: 10.00
"""
BILL_HEADER = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "InvoiceIssuerName", "InvoiceId", "ProviderName",
    "ServiceName", "ServiceCategory",
)  # fmt: skip


def bill(path: Path, cents: int, *, provider: str, account: str, first: str, after: str) -> None:
    """One charge for a whole month."""
    amount = from_minor(cents, "USD")
    write_csv(
        path,
        BILL_HEADER,
        [
            (
                amount, amount, "USD", account, first, after, first, after, "Usage", provider, f"{provider}-1",
                provider, f"{provider} API", "AI and Machine Learning",
            )
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def calls(shared: Path) -> dict[str, list[dict[str, str]]]:
    folder = shared / "llm_trace_azure_2023"
    return {service: records(folder / f"AzureLLMInferenceTrace_{service}.csv") for service in SERVICES}


def picos(call: dict[str, str]) -> int:
    return int(call["ContextTokens"]) * INPUT_PICOS + int(call["GeneratedTokens"]) * OUTPUT_PICOS


def team(call: dict[str, str]) -> str:
    # Times are UTC and all of one day, written alike, so that their text sorts as they do.
    return "early" if call["TIMESTAMP"] < "2023-11-16 18:45:00" else "late"


def trace(shared: Path, folder: Path) -> Company:
    company = Company.write(
        folder,
        TRACE,
        {
            f"usage/{service}.csv": shared / "llm_trace_azure_2023" / f"AzureLLMInferenceTrace_{service}.csv"
            for service in SERVICES
        },
    )
    (folder / "prices.yaml").write_text(PRICES, encoding="utf-8")
    return company


@pytest.fixture(scope="module")
def estimated(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The calls alone: no bill has come."""
    company = trace(shared, tmp_path_factory.mktemp("estimated"))
    company.call("run")
    return company


@pytest.fixture(scope="module")
def billed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The calls and a bill that is not what they would cost at list price."""
    folder = tmp_path_factory.mktemp("billed")
    company = trace(shared, folder)
    bill(
        folder / "bills" / "pelion.csv", BILLED_CENTS,
        provider="Pelion", account="pelion-1", first="2023-11-01", after="2023-12-01",
    )  # fmt: skip
    settings = folder / "apportion.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + 'bills: [{name: focus, type: focus, path: "bills/*.csv"}]\n', encoding="utf-8")
    company.call("run")
    return company


def test_every_call_is_counted_and_priced(estimated: Company, calls: dict[str, list[dict[str, str]]]) -> None:
    assert {service: len(rows) for service, rows in calls.items()} == SERVICES
    found = estimated.ask(
        NOVEMBER_2023,
        "SELECT service, price_state, SUM(calls), SUM(uncached_input_tokens), SUM(output_tokens), SUM(list_cost_picos)"
        " FROM usage_cells GROUP BY ALL ORDER BY ALL",
    )
    assert [(name, state, *map(int, rest)) for name, state, *rest in found] == [
        (
            service,
            "priced",
            len(rows),
            sum(int(row["ContextTokens"]) for row in rows),
            sum(int(row["GeneratedTokens"]) for row in rows),
            sum(map(picos, rows)),
        )
        for service, rows in sorted(calls.items())
    ]


def test_without_a_bill_the_estimate_is_the_list_cost(
    estimated: Company, calls: dict[str, list[dict[str, str]]]
) -> None:
    listed = sum(picos(call) for rows in calls.values() for call in rows)
    cents = (2 * listed + PICOS_PER_CENT) // (2 * PICOS_PER_CENT)
    owed = estimated.owed(NOVEMBER_2023)
    assert sum(owed.values()) == from_minor(cents, "USD")
    assert {row["status"] for row in estimated.rows("export", "pools", "--period", NOVEMBER_2023)} == {"estimate"}


@pytest.mark.parametrize("cents", [None, BILLED_CENTS], ids=["estimate", "bill"])
def test_owners_by_hour_share_by_list_cost(
    estimated: Company, billed: Company, calls: dict[str, list[dict[str, str]]], cents: int | None
) -> None:
    weights: Counter[str] = Counter()
    for rows in calls.values():
        for call in rows:
            weights[team(call)] += picos(call)
    listed = sum(weights.values())
    amount = cents if cents is not None else (2 * listed + PICOS_PER_CENT) // (2 * PICOS_PER_CENT)
    shares = split(amount, [weights["early"], weights["late"]], ["early", "late"])
    owed = (billed if cents is not None else estimated).owed(NOVEMBER_2023)
    assert owed.pop("unallocated", Decimal(0)) == 0
    assert owed == {name: from_minor(share, "USD") for name, share in zip(("early", "late"), shares, strict=True)}


def test_a_statement_by_service_cuts_the_same_cents(billed: Company) -> None:
    rows = billed.rows("statement", "--period", NOVEMBER_2023, "--by", "service")
    assert sum(Decimal(row["total"]) for row in rows) == from_minor(BILLED_CENTS, "USD")
    assert {row["service"] for row in rows} - {"unallocated"} == set(SERVICES)


def test_the_certificate_of_the_trace_is_ok(estimated: Company, billed: Company) -> None:
    for company in (estimated, billed):
        assert company.data("verify", "--period", NOVEMBER_2023)["ok"] is True


# --- one shared key, many tenants ------------------------------------------------------------------------------------

NOVEMBER = "2026-11"
TENANTS = {"m-small": 38, "deepseek-r1": 73}
SHARED_KEY = """\
company: Shared key
currency: USD
owner: tenant
bills: [{{name: focus, type: focus, path: "bills/*.csv"}}]
usage:
  - name: calls
    type: usage
    path: "usage/*.csv"
    tokens: disjoint
    columns: {{user_id: client, uncached_input_tokens: input_tokens}}
    set: {{provider: pelion, billing_account_id: pelion-1, api_key_id: shared-prod, called_at: "{day}"}}
dimensions:
  tenant: [{{column: user_id}}]
categories:
  - {{category: inference, when: "provider = 'pelion'"}}
allocate:
  - {{name: shared-key, when: "category = 'inference'", method: proportional, meter: tokens}}
"""


@pytest.mark.parametrize("model", TENANTS)
def test_a_bill_of_one_shared_key_is_divided_over_its_tenants_by_tokens(
    shared: Path, tmp_path: Path, model: str
) -> None:
    file = shared / "llm_trace_servegen_clients" / f"servegen_{model}_client_6h_tokens.csv"
    company = Company.write(tmp_path, SHARED_KEY.format(day="2026-11-02"), {"usage/tenants.csv": file})
    bill(
        tmp_path / "bills" / "pelion.csv", 1_000_000,
        provider="Pelion", account="pelion-1", first="2026-11-01", after="2026-12-01",
    )  # fmt: skip
    company.call("run")
    tokens: Counter[str] = Counter()
    for row in records(file):
        tokens[row["client"]] += int(row["input_tokens"]) + int(row["output_tokens"])
    assert len(tokens) == TENANTS[model]
    names = sorted(tokens)
    shares = split(1_000_000, [tokens[name] for name in names], names)
    owed = company.owed(NOVEMBER)
    assert owed.pop("unallocated", Decimal(0)) == 0
    assert owed == {name: from_minor(share, "USD") for name, share in zip(names, shares, strict=True) if share}
    assert sum(owed.values()) == Decimal("10000.00")
    assert company.data("verify", "--period", NOVEMBER)["ok"] is True
