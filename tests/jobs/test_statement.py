"""From a command under watch to the statement of a GPU pool, with what was idle."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from tests.conftest import Answer
from tests.jobs.stand_in import GIB, Host, gpu
from tests.jobs.test_running import SLEEP

SETTINGS = """\
company: Larkspur
currency: USD
owner: team
scope: {ai: default, include: ["provider = 'pelion'"]}
bills: [{name: bill, path: bill.csv}]
meters:
  - {name: gpu_hours, path: "usage/jobs/*.jsonl", unit: GPU-Hours, columns: {capacity: gpu_hours_capacity}}
  - {name: gpu_memory_gib_hours, path: "usage/jobs/*.jsonl", unit: GiB-Hours}
categories: [{category: training, when: "provider = 'pelion'"}]
dimensions: {team: [{tag: team}]}
allocate:
  - {name: time,   when: "resource_id = 'node-1'", method: proportional, meter: gpu_hours, idle: {to: platform}}
  - {name: memory, when: "resource_id = 'node-2'", method: proportional, meter: gpu_memory_gib_hours}
"""
BILL = """\
BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,\
BillingPeriodEnd,ServiceProviderName,ServiceName,ResourceId,InvoiceId
{node_1},{node_1},USD,Usage,{month}-01,{following}-01,{month}-01,{following}-01,Pelion,GPU nodes,node-1,INV-1
50.00,50.00,USD,Usage,{month}-01,{following}-01,{month}-01,{following}-01,Pelion,GPU nodes,node-2,INV-1
"""


def test_a_gpu_pool_is_divided_by_what_jobs_used_and_shows_what_was_idle(
    tmp_path: Path, cli: Callable[..., Answer]
) -> None:
    host = Host(tmp_path)
    host.jobs = tmp_path / "usage" / "jobs"
    ml, search = tmp_path / "ml", tmp_path / "search"
    host.has(gpu("GPU-a", 100, **{str(ml): 60 * GIB}), gpu("GPU-b", 100, **{str(search): 20 * GIB}))
    for item in ("node-1", "node-2"):
        words = ("--item", item, "--item-gpus", "2")
        for name in (ml, search):
            seconds = "2.2" if name == ml else "1.2"
            code, _, _ = host.run(
                "-t", f"team={name.name}", *words, "--", sys.executable, "-c", SLEEP, str(name), seconds
            )
            assert code == 0
            name.unlink()
    rows = host.rows()
    assert len(rows) == 4
    # A dollar for each GPU-hour that node-1 has on the days of its jobs, so that what a team used is what it pays.
    days = {row["day"] for row in rows if row["item"] == "node-1"}
    month = datetime.now(UTC).strftime("%Y-%m")
    assert {day[:7] for day in days} == {month}
    year, number = int(month[:4]), int(month[5:])
    following = f"{year + number // 12}-{number % 12 + 1:02}"
    (tmp_path / "apportion.yaml").write_text(SETTINGS)
    node_1 = 48 * 1000 * len(days)
    (tmp_path / "bill.csv").write_text(BILL.format(month=month, following=following, node_1=f"{node_1}.00"))
    done = cli("run", "-p", tmp_path)
    assert done.code == 0, done.stderr
    found = json.loads(cli("statement", "-p", tmp_path, "--format", "json").stdout)
    paid = {row["team"]: Decimal(row["total"]["amount"]) for row in found["rows"]}
    used = {
        (row["item"], row["tags"]["team"]): Decimal(row["gpu_hours"]) * 1000 for row in rows if row["item"] == "node-1"
    }
    memory = {row["tags"]["team"]: Decimal(row["gpu_memory_gib_hours"]) for row in rows if row["item"] == "node-2"}
    of_memory = {team: 50 * each / sum(memory.values()) for team, each in memory.items()}
    for team in ("ml", "search"):
        assert abs(paid[team] - used["node-1", team] - of_memory[team]) < Decimal("0.011")
    assert sum(paid.values()) == node_1 + 50
    assert paid["platform"] == node_1 + 50 - paid["ml"] - paid["search"]
    gpus = json.loads(cli("export", "gpus", "-p", tmp_path, "--format", "json").stdout)["rows"]
    (shown,) = [row for row in gpus if row["meter"] == "gpu_hours"]
    assert Decimal(shown["capacity"]) == 48 * len(days) * 2


def test_a_job_of_which_nothing_is_known_is_told_and_stops_nothing(tmp_path: Path, cli: Callable[..., Answer]) -> None:
    host = Host(tmp_path)
    host.jobs = tmp_path / "usage" / "jobs"
    host.has("Driver Not Loaded")
    host.run("-t", "team=ml", "--item", "node-1", "--", "true")
    host.run("-t", "team=ml", "--item", "node-1", "--gpus", "8", "--", "sleep", "1")
    month = host.rows()[0]["day"][:7]
    year, number = int(month[:4]), int(month[5:])
    following = f"{year + number // 12}-{number % 12 + 1:02}"
    (tmp_path / "apportion.yaml").write_text(SETTINGS.replace(", columns: {capacity: gpu_hours_capacity}", ""))
    (tmp_path / "bill.csv").write_text(BILL.format(month=month, following=following, node_1="10.00"))
    done = cli("run", "-p", tmp_path)
    assert "amount-missing" in done.stderr, done.stderr
