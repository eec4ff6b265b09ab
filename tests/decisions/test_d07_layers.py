"""D7: which evidence counts as direct, rule, default or shared. Nothing else raises coverage.

Ruled out: a map, an alias or a written value counts as direct; a default counts as an ordinary rule; a shared
split counts as direct because its owner is known (headcount, idle seats that are spread or kept).
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.decisions.company import TEAM, Company, charge
from tests.decisions.conftest import Make

SETTINGS = """
directory:
  - {name: owners, type: lookup, path: owners.csv}
  - {name: people, type: roster, path: people.csv}
meters: [{name: gpu, path: gpu.csv, unit: GPU-Hours}]
seats: [{name: chat, path: seats.csv}]
dimensions:
  team:
    evidence:
      - {tag: team}
      - {tag: squad, map: {sq-1: mapped}}
      - {column: x_Team}
      - {virtual_tag: {openai: project}}
      - {lookup: {key: resource_id, in: owners, take: team}}
      - {value: written, when: "region_id = 'eu-1'"}
    aliases: {aliased: [alaised]}
    default: others
allocate:
  - {name: by-meter, when: "sku_id = 'meter'", method: proportional, meter: gpu, idle: {to: keeper}}
  - {name: by-heads, when: "sku_id = 'heads'", method: headcount}
  - {name: by-shares, when: "sku_id = 'fixed'", method: fixed, shares: {fixed: 100}}
  - {name: by-parts, when: "sku_id = 'even'", method: even, among: [even]}
  - {name: chat, when: "sku_id = 'users'", method: seats, weight: active_users}
  - {name: priced, when: "sku_id = 'price'", method: seats, seats: chat, weight: seat_price, idle: {to: keeper}}
"""
FILES = {
    "owners.csv": "resource_id,team\nr-1,looked-up\n",
    "people.csv": "person,team,valid_from,valid_to\np-1,heads,2026-01-01,\n",
    "gpu.csv": "day,day_end,team,quantity,capacity\n2026-11-01,2026-12-01,metered,60,100\n",
    "seats.csv": "seat_id,assigned_to,team,price,last_active_at\n"
    "s-1,x,seated,10.00,2026-11-20T00:00:00Z\ns-2,y,seated,10.00,2026-08-01T00:00:00Z\n",
}
CHARGES = [
    charge("1.00", team="tagged"),
    charge("2.00", x_Team="columned"),
    charge("4.00", InvoiceId="O-1", ProviderName="OpenAI", InvoiceIssuerName="OpenAI", SubAccountId="virtual"),
    charge("8.00", ResourceId="r-1"),
    charge("16.00", RegionId="eu-1"),
    charge("32.00", Tags='{"squad": "sq-1"}'),
    charge("64.00", team="alaised"),
    charge("128.00"),
    charge("10.00", InvoiceId="P-2", SkuId="meter"),
    charge("20.00", InvoiceId="P-2", SkuId="heads"),
    charge("40.00", InvoiceId="P-2", SkuId="fixed"),
    charge("80.00", InvoiceId="P-2", SkuId="even"),
    charge("160.00", InvoiceId="P-2", SkuId="users"),
    charge("320.00", InvoiceId="P-2", SkuId="price"),
]
EXPECTED = {
    ("tagged", "direct"): "1.00",
    ("columned", "direct"): "2.00",
    ("virtual", "direct"): "4.00",
    ("looked-up", "direct"): "8.00",
    ("written", "rule"): "16.00",
    ("mapped", "rule"): "32.00",
    ("aliased", "rule"): "64.00",
    ("others", "default"): "128.00",
    ("metered", "shared"): "6.00",
    # 4.00 of the meter's idle hours, and one of two seats.
    ("keeper", "shared"): "164.00",
    ("heads", "shared"): "20.00",
    ("fixed", "shared"): "40.00",
    ("even", "shared"): "80.00",
    ("seated", "shared"): "160.00",
    ("seated", "direct"): "160.00",
}


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("layers"), SETTINGS, CHARGES, files=FILES).run()


def test_the_table_as_a_whole(layered: Company) -> None:
    assert layered.layers() == {key: Decimal(amount) for key, amount in EXPECTED.items()}


def test_coverage_counts_defaults_apart_and_shared_not_at_all(layered: Company) -> None:
    coverage = {row["layer"]: row["amount"] for row in layered.table("coverage")}
    assert coverage == {
        "direct": "175.00", "rule": "112.00", "default": "128.00", "shared": "470.00", "unallocated": "0.00"
    }  # fmt: skip


def test_idle_seats_that_are_spread_are_shared(company: Make) -> None:
    """Two used seats are direct; the third, which nobody uses, is 10.00 of shared cost whoever bears it."""
    settings = """
seats: [{name: chat, path: seats.csv}]
dimensions: {team: [{tag: team}]}
allocate: [{name: chat, when: "provider = 'pelion'", method: seats, weight: seat_price, idle: spread}]
"""
    seats = """seat_id,assigned_to,team,price,last_active_at
s-1,x,a,10.00,2026-11-20T00:00:00Z
s-2,y,b,10.00,2026-11-20T00:00:00Z
s-3,z,b,10.00,2026-08-20T00:00:00Z
"""
    found = company(settings, [charge("30.00")], files={"seats.csv": seats}).run()
    assert found.owed() == {"a": "15.00", "b": "15.00"}
    coverage = {row["layer"]: row["amount"] for row in found.table("coverage")}
    assert (coverage["direct"], coverage["shared"]) == ("20.00", "10.00")


def test_spreading_what_nobody_owns_raises_no_coverage(company: Make) -> None:
    rows = [charge("300.00", team="a"), charge("100.00")]
    kept = _percents(company(TEAM, rows).run())
    spread = _percents(company(TEAM + "\nunallocated: {spread_by: attributed_cost}", rows).run())
    assert (kept["direct"], kept["unallocated"]) == ("75.00", "25.00")
    assert (spread["direct"], spread["shared"], spread["unallocated"]) == ("75.00", "25.00", "0.00")


def _percents(found: Company) -> dict[str, str]:
    return {row["layer"]: row["percent"] for row in found.table("coverage")}
