"""A month of made-up calls as a project: the same bytes each time for the same number of calls.

Thirty days of OpenTelemetry-named usage as Parquet, one file per day, Zipf over teams, users, customers, features
and models; 5 % of the calls carry no tags. About one ledger cell per three calls. Beside it lie the bills of two
providers in the FOCUS form (one row per model and month), a GPU pool with its meter and a tool sold by seat.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

DAYS = 30
_VERSION = 1
_TEAMS, _FEATURES, _CUSTOMERS, _SEATS, _GPUS = 40, 60, 2000, 400, 8

# Provider, account, model and a rate in pico-dollars per token: of the input, of cache reads, of the output.
MODELS: tuple[tuple[str, str, str, int, int, int], ...] = (
    ("openai", "org-bench", "gpt-5.4-mini", 750_000, 75_000, 4_500_000),
    ("anthropic", "ant-bench", "claude-sonnet-4-5", 3_000_000, 300_000, 15_000_000),
    ("openai", "org-bench", "gpt-5.4", 2_500_000, 250_000, 15_000_000),
    ("anthropic", "ant-bench", "claude-haiku-4-5", 1_000_000, 100_000, 5_000_000),
    ("openai", "org-bench", "gpt-5-nano", 50_000, 5_000, 400_000),
    ("anthropic", "ant-bench", "claude-opus-4-5", 5_000_000, 500_000, 25_000_000),
    ("openai", "org-bench", "gpt-4o-mini", 150_000, 75_000, 600_000),
    ("openai", "org-bench", "gpt-4.1", 2_000_000, 500_000, 8_000_000),
)

_CONFIG = """\
company: Bench
currency: USD
owner: team
bills:
  - {name: focus, type: focus, path: "bills/*.csv"}
usage:
  - {name: calls, type: usage, path: "usage/*.parquet", tokens: disjoint}
meters:
  - {name: gpu_hours, path: "meters/gpu_hours.csv", unit: GPU-Hours}
directory:
  - {name: people,   type: roster, path: "directory/people.csv"}
  - {name: teams,    type: lookup, path: "directory/teams.csv"}
  - {name: features, type: lookup, path: "directory/features.csv"}
seats:
  - {name: copilot, path: "seats/copilot.csv"}
dimensions:
  team:        [{tag: team}, {lookup: {key: user, in: people, take: team}}]
  product:     [{lookup: {key: feature, in: features, take: product}}]
  feature:     [{tag: feature}]
  customer:    [{tag: customer}]
  environment: [{tag: env}]
  user:        [{column: user_id}]
  cost_center: [{lookup: {key: team, in: teams, take: cost_center}}]
allocate:
  - {name: gpus,      when: "tags.pool = 'gpu'", method: proportional, meter: gpu_hours, idle: {to: team-00}}
  - {name: copilot,   when: "service_name = 'GitHub Copilot'", method: seats, weight: seat_price, idle: {to: team-00}}
  - {name: inference, when: "category = 'inference'",          method: direct}
"""

_FOCUS = (
    "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
    "ChargePeriodEnd", "ChargeCategory", "ChargeDescription", "BilledCost", "EffectiveCost", "InvoiceId",
    "InvoiceIssuerName", "ProviderName", "PublisherName", "ResourceId", "ResourceType", "ServiceCategory",
    "ServiceName", "SkuId", "SkuMeter", "Tags", "x_Model",
)  # fmt: skip
_MONTH = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")


def project(calls: int, data: Path) -> Path:
    """The folder of a project with so many calls; made on first use.

    Args:
        calls: How many, over the thirty days of November 2026.
        data: Where such folders lie.
    """
    folder = data / f"calls-{calls}"
    made = folder / "made.json"
    stamp = {"version": _VERSION, "calls": calls, "duckdb": duckdb.__version__}
    if made.exists() and json.loads(made.read_text(encoding="utf-8")) == stamp:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("usage", "bills", "meters", "directory", "seats"):
        (folder / name).mkdir(parents=True)
    (folder / "apportion.yaml").write_text(_CONFIG, encoding="utf-8")
    con = duckdb.connect(config={"threads": "2", "preserve_insertion_order": "true"})
    con.execute("SET TimeZone = 'UTC'")
    for day in range(DAYS):
        rows = calls // DAYS + (1 if day < calls % DAYS else 0)
        con.execute(
            f"COPY ({_calls(calls, day, rows)}) TO '{folder / 'usage' / f'2026-11-{day + 1:02d}.parquet'}'"
            " (FORMAT parquet, COMPRESSION zstd)"
        )
    _bills(con, folder)
    _rest(folder, _users(calls))
    made.write_text(json.dumps(stamp), encoding="utf-8")
    return folder


def _users(calls: int) -> int:
    return max(200, calls // 400)


def _calls(calls: int, day: int, rows: int) -> str:
    """One day's calls. An agent calls its model several times for the same task, so calls come in runs of three."""

    def draw(salt: int, of: str = "task") -> str:
        # One number is hashed, not three: a combined hash would tie the draws to each other.
        seed = (day * 16 + salt) << 40
        return f"(CAST(hash(CAST({of} + {seed} AS BIGINT)) >> 11 AS DOUBLE) / 9007199254740992.0)"

    def zipf(salt: int, size: int, of: str = "task") -> str:
        """A rank from 0, log-uniform: the first is drawn about as often as all from the size's root on."""
        return f"(CAST(floor(pow({size + 1}.0, {draw(salt, of)})) AS BIGINT) - 1)"

    def pick(values: Iterable[object]) -> str:
        return "[" + ", ".join(f"'{value}'" for value in values) + "]"

    return f"""
    WITH calls AS (SELECT i, i // 3 AS task FROM range({rows}) AS r(i)),
    drawn AS (
      SELECT i, {zipf(1, _users(calls))} AS u, {zipf(2, _FEATURES)} AS f, {zipf(3, _CUSTOMERS)} AS c,
        {zipf(4, len(MODELS))} AS m, {draw(5)} < 0.05 AS untagged, {draw(6)} AS e,
        {draw(7, "i")} AS a, {draw(8, "i")} AS b, {draw(9, "i")} AS o
      FROM calls
    )
    SELECT
      TIMESTAMP '2026-11-01 00:00:00' + to_days({day}) + to_microseconds(i * 86400000000 // {rows}) AS "timestamp",
      {pick(m[0] for m in MODELS)}[m + 1] AS "gen_ai.provider.name",
      {pick(m[1] for m in MODELS)}[m + 1] AS billing_account_id,
      'chat' AS "gen_ai.operation.name",
      {pick(m[2] for m in MODELS)}[m + 1] AS "gen_ai.response.model",
      CAST(200 + a * a * 6000 AS BIGINT) AS uncached_input_tokens,
      CASE WHEN b < 0.4 THEN CAST(b * 20000 AS BIGINT) ELSE 0 END AS "gen_ai.usage.cache_read.input_tokens",
      CAST(20 + o * o * 1500 AS BIGINT) AS "gen_ai.usage.output_tokens",
      CASE WHEN NOT untagged THEN printf('team-%02d', hash(u + 77) % {_TEAMS}) END AS team,
      CASE WHEN NOT untagged THEN printf('feature-%02d', f) END AS feature,
      CASE WHEN NOT untagged THEN printf('customer-%04d', c) END AS customer,
      CASE WHEN NOT untagged THEN CASE WHEN e < 0.8 THEN 'prod' WHEN e < 0.9 THEN 'staging' ELSE 'dev' END END AS env,
      CASE WHEN NOT untagged OR e < 0.5 THEN printf('u-%06d', u) END AS user_id
    FROM drawn ORDER BY i"""


def _bills(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """What the providers charge: list price less 10 %, to twelve digits, one row per model and month."""
    found = con.execute(
        'SELECT "gen_ai.response.model", CAST(SUM(uncached_input_tokens) AS BIGINT),'
        ' CAST(SUM("gen_ai.usage.cache_read.input_tokens") AS BIGINT),'
        ' CAST(SUM("gen_ai.usage.output_tokens") AS BIGINT)'
        f" FROM read_parquet('{folder / 'usage'}/*.parquet') GROUP BY ALL"
    ).fetchall()
    sums = {str(model): (int(fresh), int(read), int(out)) for model, fresh, read, out in found}
    names = {"openai": ("OpenAI", "OpenAI API"), "anthropic": ("Anthropic", "Claude API")}
    rows = []
    for provider, account, model, *rates in MODELS:
        picos = sum(tokens * rate for tokens, rate in zip(sums.get(model, (0, 0, 0)), rates, strict=True)) * 9 // 10
        issuer, service = names[provider]
        rows.append(
            (
                account, "USD", *_MONTH, *_MONTH, "Usage", f"{model} tokens", _picos(picos), _picos(picos),
                f"{issuer}-2026-11", issuer, issuer, issuer, "", "", "AI and Machine Learning", service, model,
                "Tokens", "", model,
            )
        )  # fmt: skip
    for day in range(DAYS):
        end = f"2026-11-{day + 2:02d}T00:00:00Z" if day + 1 < DAYS else _MONTH[1]
        rows += [
            (
                "100200300400", "USD", *_MONTH, f"2026-11-{day + 1:02d}T00:00:00Z", end, "Usage",
                "g5.12xlarge on-demand instance hour", "136.128", "136.128", "AWS-2026-11",
                "Amazon Web Services, Inc.", "AWS", "AWS", f"gpu-{gpu}", "Instance", "Compute",
                "Amazon Elastic Compute Cloud", "g5.12xlarge", "BoxUsage:g5.12xlarge", '{"pool": "gpu"}', "",
            )
            for gpu in range(_GPUS)
        ]  # fmt: skip
    rows.append(
        (
            "gh-bench", "USD", *_MONTH, *_MONTH, "Purchase", f"Copilot Business, {_SEATS} seats", f"{_SEATS * 39}.00",
            f"{_SEATS * 39}.00", "GH-2026-11", "GitHub, Inc.", "GitHub", "GitHub", "", "", "Developer Tools",
            "GitHub Copilot", "copilot-business", "Seat month", "", "",
        )
    )  # fmt: skip
    _write(folder / "bills" / "focus.csv", _FOCUS, rows)


def _rest(folder: Path, users: int) -> None:
    """The meter, the directory and the seats."""
    teams = [f"team-{n:02d}" for n in range(_TEAMS)]
    people = duckdb.connect().execute(f"SELECT u, hash(u + 77) % {_TEAMS} FROM range({users}) AS r(u)").fetchall()
    team_of = {f"u-{user:06d}": teams[team] for user, team in people}
    _write(
        folder / "directory" / "people.csv",
        ("person", "team", "valid_from", "valid_to"),
        [(user, team, "2026-01-01", "") for user, team in team_of.items()],
    )
    _write(
        folder / "directory" / "teams.csv",
        ("team", "cost_center", "valid_from", "valid_to"),
        [(team, f"CC-{100 + n}", "2026-01-01", "") for n, team in enumerate(teams)],
    )
    _write(
        folder / "directory" / "features.csv",
        ("feature", "product"),
        [(f"feature-{n:02d}", f"product-{n % 12:02d}") for n in range(_FEATURES)],
    )
    _write(
        folder / "meters" / "gpu_hours.csv",
        ("item", "day", "team", "quantity", "capacity"),
        [
            (f"gpu-{gpu}", f"2026-11-{day + 1:02d}", teams[(gpu + 3 * n) % _TEAMS], f"{(day + n) % 11 + 3}.50", 96)
            for day in range(DAYS)
            for gpu in range(_GPUS)
            for n in range(5)
        ],
    )
    _write(
        folder / "seats" / "copilot.csv",
        ("tool", "seat_id", "assigned_to", "price", "valid_from", "valid_to", "last_active_at"),
        [
            ("copilot", f"seat-{n:03d}", user, "39.00", "2026-11-01", "2026-12-01", f"2026-11-{n % 28 + 1:02d}")
            for n, user in enumerate(list(team_of)[:_SEATS])
        ],
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _picos(picos: int) -> str:
    return f"{picos // 10**12}.{picos % 10**12:012d}"


if __name__ == "__main__":
    project(int(sys.argv[1]), Path(sys.argv[2]))
