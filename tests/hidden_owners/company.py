"""A company that tags most of its calls, and not by chance: one team never does.

Each call has an owner that only the column `truth` holds. It is no evidence of the project; a test reads it once
everything is decided. Teams have keys of their own and share others; some calls name the person, services do not; not
everybody is in the roster, and a few move.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

TEAMS = tuple(f"team-{number:02d}" for number in range(1, 13))
SILENT = TEAMS[-1]
FIRST = date(2026, 10, 1)
DAYS = 31
_OWN_KEYS, _SHARED_KEYS, _PEOPLE = 42, 18, 240
_MODELS = ("pelion-1", "pelion-2", "pelion-3")
_HEAD = ("called_at", "provider", "billing_account_id", "model", "uncached_input_tokens", "output_tokens", "call_id",
         "api_key_id", "user_id", "team", "truth")  # fmt: skip
SETTINGS = """company: Hidden {seed}
currency: USD
bills: [{{name: focus, type: focus, path: "bills.csv"}}]
usage: [{{name: calls, path: "calls.csv", tokens: exclusive}}]
directory:
  - {{name: people, type: roster, path: "people.csv"}}
  - {{name: keys, type: lookup, path: "keys.csv"}}
prices: {{overrides: "prices.yaml"}}
categories: [{{category: inference, when: "provider = 'pelion'"}}]
dimensions: {{team: [{{tag: team}}]}}
allocate: [{{name: inference, category: inference, method: direct}}]
"""
_PRICES = """prices:
{rows}"""
_ROW = """  - provider: pelion
    model: {model}
    from: 2026-01-01
    source: a test
    checked: 2026-11-26
    currency: USD
    input: 10000.00
"""


@dataclass(frozen=True)
class _Key:
    name: str
    teams: tuple[str, ...]
    shares: tuple[float, ...]
    # How likely a call of it carries its person.
    named: float


def write(folder: Path, seed: int, calls: int) -> None:
    """Write a company as a project.

    Args:
        folder: Made.
        seed: The same seed is the same company.
        calls: How many.
    """
    folder.mkdir(parents=True)
    chance = random.Random(seed)  # noqa: S311 - a made-up company, not a secret
    people = [(f"p-{number:03d}", TEAMS[number % len(TEAMS)]) for number in range(_PEOPLE)]
    keys = list(_keys(chance))
    tagging = {(key.name, team): _tags(chance, team) for key in keys for team in key.teams}
    size = {team: chance.uniform(0.5, 2.0) for team in TEAMS}
    by_team = {team: [key for key in keys if team in key.teams] for team in TEAMS}
    total = 0
    with (folder / "calls.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(_HEAD)
        for number in range(calls):
            team = chance.choices(TEAMS, [size[one] for one in TEAMS])[0]
            key = chance.choices(by_team[team], [one.shares[one.teams.index(team)] for one in by_team[team]])[0]
            person = chance.choice([name for name, of in people if of == team]) if chance.random() < key.named else ""
            tag = team if chance.random() < tagging[key.name, team] else ""
            day = FIRST + timedelta(days=chance.randrange(DAYS))
            tokens = int(chance.lognormvariate(7.5, 1.0)) + 1
            model = chance.choice(_MODELS)
            total += tokens
            out.writerow(
                (f"{day}T{chance.randrange(24):02d}:00:00Z", "pelion", "acct-1", model, tokens, 0, f"c-{number}",
                 key.name, person, tag, team)
            )  # fmt: skip
    _rest(folder, seed, people, chance, total)
    _registry(folder, keys, chance)


def _keys(chance: random.Random) -> Iterator[_Key]:
    for number in range(_OWN_KEYS):
        yield _Key(f"k-{number:02d}", (TEAMS[number % len(TEAMS)],), (1.0,), chance.choice((0.0, 0.9, 1.0)))
    for number in range(_OWN_KEYS, _OWN_KEYS + _SHARED_KEYS):
        teams = tuple(chance.sample(TEAMS, chance.choice((2, 2, 3))))
        rest = [chance.uniform(0.03, 0.5) for _ in teams[1:]]
        # What several teams use is mostly a gateway or a notebook, and both know who calls.
        yield _Key(f"k-{number:02d}", teams, (1.0, *rest), chance.choice((0.6, 0.9, 1.0)))


def _tags(chance: random.Random, team: str) -> float:
    return 0.0 if team == SILENT else chance.choice((0.6, 0.85, 0.95, 1.0))


def _registry(folder: Path, keys: list[_Key], chance: random.Random) -> None:
    """Who had which key made, as far as somebody wrote it down: of a shared key, one of those who use it."""
    rows = "".join(f"{key.name},{key.teams[0]}\n" for key in keys if chance.random() < 0.6)
    (folder / "keys.csv").write_text(f"api_key_id,team\n{rows}", encoding="utf-8")


def _rest(folder: Path, seed: int, people: list[tuple[str, str]], chance: random.Random, tokens: int) -> None:
    """The bill, the prices, the roster without those that HR does not know, and the settings."""
    known = [person for person in people if chance.random() < 0.92]
    rows = "".join(f"{person},{team},2026-01-01\n" for person, team in known)
    (folder / "people.csv").write_text(f"person,team,valid_from\n{rows}", encoding="utf-8")
    cost = f"{tokens // 100}.{tokens % 100:02d}"
    (folder / "bills.csv").write_text(
        "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,"
        "ChargePeriodEnd,InvoiceIssuerName,InvoiceId,ServiceName,ServiceCategory,ChargeCategory,BillingAccountId,"
        "ProviderName\n"
        f"{cost},{cost},USD,2026-10-01,2026-11-01,2026-10-01,2026-11-01,Pelion,PEL-1,Pelion API,"
        "AI and Machine Learning,Usage,acct-1,pelion\n",
        encoding="utf-8",
    )
    rows = "".join(_ROW.format(model=model) for model in _MODELS)
    (folder / "prices.yaml").write_text(_PRICES.format(rows=rows), encoding="utf-8")
    (folder / "apportion.yaml").write_text(SETTINGS.format(seed=seed), encoding="utf-8")
