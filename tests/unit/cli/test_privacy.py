"""Where people are not to be shown by name, no command and no export does: their names are looked for everywhere."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from apportion.cli.choices import ExportName
from tests.errors.folder import say

# Names that nothing else could spell.
PEOPLE = ("zora.quint", "yves.brakk", "xenia.plum")
SETTINGS = """\
company: Acme
currency: USD
owner: {owner}
policies: {{users: {users}}}
bills: [{{name: bills, type: focus, path: bills.csv}}]
usage: [{{name: calls, type: usage, path: calls.jsonl}}]
meters: [{{name: gpu_hours, path: gpu.csv, unit: GPU-Hours}}]
directory: [{{name: people, type: roster, path: people.csv}}]
seats: [{{name: helper, path: seats.csv}}]
scope: {{include: ["service_name = 'Helper' or service_name = 'GPU'"]}}
categories: [{{category: training, when: "service_name = 'GPU'"}}]
dimensions:
  customer: [{{tag: customer}}]
  feature: [{{tag: feature}}]
  environment: [{{tag: env}}]
  team:
    - tag: team
    - lookup: {{key: user, in: people, take: team}}
  user: [{{tag: user_id}}, {{column: user_id}}]
allocate:
  - {{name: seats, when: "service_name = 'Helper'", method: seats, seats: helper}}
  - {{name: gpu, when: "service_name = 'GPU'", method: proportional, meter: gpu_hours}}
  - {{name: inference, when: "provider = 'openai'", method: direct}}
"""
BILL = """\
BilledCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,InvoiceIssuerName,InvoiceId,ServiceName,ProviderName,Tags
90.00,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,Helper Inc,H-1,Helper,Helper,
50.00,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,Cloud,C-1,GPU,Cloud,
60.00,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,OpenAI,O-1,OpenAI API,OpenAI,
7.00,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,OpenAI,O-1,OpenAI API,OpenAI,"{""user_id"": ""zora.quint""}"
oops,USD,2026-11-01,2026-12-01,2026-11-01,2026-12-01,OpenAI,O-1,OpenAI API,OpenAI,"{""user_id"": ""yves.brakk""}"
"""


@pytest.fixture(params=[(users, owner) for users in ("pseudonym", "hidden") for owner in ("team", "user")], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    calls = [
        {"called_at": f"2026-11-0{day}T10:00:00Z", "provider": "openai", "model": "gpt-4o", "output_tokens": 1000 * day,
         "tags": {"user_id": name}, "call_id": f"c{day}"}
        for day, name in enumerate(PEOPLE, start=1)
    ]  # fmt: skip
    calls.append({**calls[0], "call_id": "c9", "output_tokens": "minus"})
    calls.append({**calls[0], "call_id": "c8", "tags": None, "user_id": PEOPLE[1], "output_tokens": 77})
    people = "person,team,valid_from,valid_to\n" + "".join(
        f"{name},t{n},2026-01-01,\n" for n, name in enumerate(PEOPLE)
    )
    seats = "seat_id,user,team,valid_from,valid_to,last_active_at,unit_price\n"
    seats += "".join(f"s{n},{name},t{n},2026-11-01,,2026-11-05,30.00\n" for n, name in enumerate(PEOPLE))
    files = {
        "apportion.yaml": SETTINGS.format(users=request.param[0], owner=request.param[1]),
        "bills.csv": BILL,
        "calls.jsonl": "".join(json.dumps(row) + "\n" for row in calls),
        "gpu.csv": "item,day,user,quantity\n" + "".join(f"g,2026-11-01,{name},4\n" for name in PEOPLE),
        "people.csv": people,
        "seats.csv": seats,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_no_command_shows_a_name(folder: Path) -> None:
    asked = ["run", "check", "statement", "statement --by user", "statement --owner t0", "reconcile", "verify"]
    asked += ["coverage", "coverage --by user", "explain t0", "explain seats", "explain gpu", "explain inference"]
    asked += [f"export {table} --format json" for table in ExportName]
    asked += ["export unit-costs --by user", "export statements --by user"]
    for words in asked:
        said = say(folder, *words.split())
        assert said.code == {"check": 3, "reconcile": 4}.get(words, 0), f"{words}\n{said.err}"
        assert [name for name in PEOPLE if name in said.out + said.err] == [], f"{words}\n{said.out}{said.err}"


def test_no_spreadsheet_shows_a_name(folder: Path) -> None:
    say(folder, "run")
    for table in ExportName:
        file = folder / "out.xlsx"
        assert say(folder, "export", table, "--format", "xlsx", "-o", str(file)).code == 0
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
            content = " ".join(archive.read(name).decode() for name in archive.namelist())
        assert [name for name in PEOPLE if name in content] == [], table
