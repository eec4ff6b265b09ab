"""What nobody owns is taken apart to the cent, and each part is told its cheapest cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.errors.folder import say

SETTINGS = """
company: Gaps
currency: USD
owner: team
policies: {users: USERS}
bills: [{name: bill, path: bill.csv}]
usage: [{name: calls, path: calls.csv, tokens: disjoint}]
prices: {overrides: prices.yaml}
directory: [{name: keys, type: lookup, path: keys.csv}, {name: people, type: roster, path: people.csv}]
categories: [{category: inference, when: "provider in ('pelion', 'corvus')"}]
dimensions:
  team:
    - tag: owner_team
    - lookup: {key: api_key_id, in: keys, take: team}
    - lookup: {key: user, in: people, take: team}
  user: [{column: user_id}]
allocate:
  - {name: models, when: "category = 'inference'", method: direct}
"""
BILL = """ProviderName,BillingAccountId,BillingPeriodStart,ChargeCategory,ServiceCategory,BillingCurrency,BilledCost
Pelion,acct,2026-11-01,Usage,AI and Machine Learning,USD,100.01
Pelion,acct,2026-11-01,Tax,AI and Machine Learning,USD,10.00
Corvus,acct,2026-11-01,Usage,AI and Machine Learning,USD,7.00
"""
PRICES = """
prices:
  - {provider: pelion, model: test-1, from: 2026-01-01, source: test, checked: 2026-11-01, input: 10000}
"""
# One token costs one cent: 10,000 tokens, and one cent that was not metered.
CALLS = """called_at,provider,billing_account_id,model,api_key_id,user_id,uncached_input_tokens,requests,tags
2026-11-02,pelion,acct,test-1,k-known,,4000,40,
2026-11-02,pelion,acct,test-1,k-one,,1000,10,"{""owner_team"": ""search""}"
2026-11-02,pelion,acct,test-1,k-one,,2000,20,
2026-11-03,pelion,acct,test-1,k-two,,500,5,"{""owner_team"": ""search""}"
2026-11-03,pelion,acct,test-1,k-two,,500,5,"{""owner_team"": ""growth""}"
2026-11-03,pelion,acct,test-1,k-two,,1000,10,
2026-11-04,pelion,acct,test-1,k-new,,300,3,
2026-11-04,pelion,acct,test-1,,ann,200,2,
2026-11-04,pelion,acct,test-1,,,500,5,
"""
FILES = {
    "bill.csv": BILL,
    "calls.csv": CALLS,
    "keys.csv": "api_key_id,team\nk-known,support\n",
    "people.csv": "person,team\nbob,support\n",
    "prices.yaml": PRICES,
}


def told(folder: Path, users: str = "name", spread: str = "") -> dict[str, Any]:
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "apportion.yaml").write_text(SETTINGS.replace("USERS", users) + spread, encoding="utf-8")
    assert say(folder, "run").code == 0
    found: dict[str, Any] = json.loads(say(folder, "coverage", "--fix", "--format", "json").out)
    return found


def test_gaps_are_ranked_by_money_and_add_up(tmp_path: Path) -> None:
    table = told(tmp_path)
    rows = [(row["gap"], row["calls"], row["amount"]["amount"], row["cure"]) for row in table["rows"]]
    file = "a row for it in keys.csv"
    assert rows == [
        ("calls with api_key_id k-one", 20, "20.00", f"{file}: its 10 calls with a name all say search"),
        (
            "calls with api_key_id k-two",
            10,
            "10.00",
            "a key of its own for each of growth, search, or the tag `owner_team`",
        ),
        ("models: corvus/acct", None, "7.00", "the tag `owner_team` on the charge, or usage of its provider"),
        ("calls that name no team", 5, "5.00", "send the tag `owner_team` with the call"),
        ("tax", None, "4.00", "follows the cost that it belongs to"),
        ("calls with api_key_id k-new", 3, "3.00", file),
        ("calls with user ann", 2, "2.00", "a row for it in people.csv"),
    ]
    statement = json.loads(say(tmp_path, "statement", "--format", "json").out)
    (unallocated,) = [row for row in statement["rows"] if row["team"] == "unallocated"]
    assert table["total"]["amount"]["amount"] == unallocated["total"]["amount"] == "51.00"


def test_coverage_after_each_cure_ends_with_everything_owned(tmp_path: Path) -> None:
    after = [row["attributed_percent"] for row in told(tmp_path)["rows"]]
    assert after == sorted(after, key=float)
    assert after[-1] == "100.00"


@pytest.mark.parametrize(("users", "shown"), [("pseudonym", "u-"), ("hidden", "(hidden)")])
def test_a_person_is_shown_as_the_policy_says(tmp_path: Path, users: str, shown: str) -> None:
    names = [row["gap"] for row in told(tmp_path, users)["rows"]]
    assert not [name for name in names if "ann" in name]
    assert [name for name in names if name.startswith(f"calls with user {shown}")]


def test_what_a_rule_spreads_needs_no_cure(tmp_path: Path) -> None:
    rows = told(tmp_path, spread="unallocated: {spread_by: attributed_cost}\n")["rows"]
    moved = [row["cure"] for row in rows if row["amount"]["amount"].startswith("-")]
    assert moved == ["none needed: a rule has moved it"]
