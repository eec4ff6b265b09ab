"""What only a look at all of the data can tell: rules that match nothing, codes that finance does not know."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from apportion.allocate.ledger import meters_of, rule_key
from apportion.attribute.categories import MethodUse, method_fit
from apportion.config.load import FILE, Loaded
from apportion.config.rules import ProportionalRule
from apportion.config.settings import Settings
from apportion.errors import Place, Problem
from apportion.money import half_up_div, nano_per_minor, show
from apportion.period import Period
from apportion.warehouse.duckdb_engine import DuckDBEngine

# Every day that a charge, a call or a meter row touches, with a month to either side for amortised terms.
CALENDAR = """CREATE OR REPLACE TABLE calendar AS
SELECT CAST(UNNEST(GENERATE_SERIES(first - INTERVAL 62 DAY, last + INTERVAL 1200 DAY, INTERVAL 1 DAY)) AS DATE) AS day
FROM (
  SELECT COALESCE(MIN(day), DATE '2020-01-01') AS first, COALESCE(MAX(day), DATE '2020-01-01') AS last FROM (
    SELECT CAST(charge_period_start AS DATE) AS day FROM charges
    UNION ALL SELECT CAST(charge_period_end AS DATE) FROM charges
    UNION ALL SELECT day FROM usage_cells
    UNION ALL SELECT day FROM meter_rows
  )
)"""


def write_metered_items(engine: DuckDBEngine, settings: Settings) -> None:
    """Write `metered_items`: which items each metered rule has measurements for."""
    pairs = [(rule_key(rule), meter) for rule in settings.allocate for meter in meters_of(rule, settings)]
    columns = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    arrays = [pa.array(column, pa.string()) for column in columns]
    engine.register("rule_meters", pa.table(dict(zip(("rule", "meter"), arrays, strict=True))))
    engine.run(
        """CREATE OR REPLACE TABLE metered_items AS SELECT DISTINCT r.rule, m.item FROM rule_meters AS r
        JOIN meter_rows AS m ON m.meter = r.meter WHERE m.item IS NOT NULL"""
    )


def whole_project(engine: DuckDBEngine, settings: Settings, loaded: Loaded) -> list[Problem]:
    """Problems of the project and its data taken together, each with its money."""
    return [*_idle_rules(engine, settings, loaded), *_misfits(engine, settings), *_codes(engine, settings)]


def nothing_in(period: Period, known: Sequence[str]) -> Problem:
    """A period was asked for in which nothing happened."""
    return Problem(
        "empty-period",
        f"There is no charge and no call in {period}; there is {', '.join(known) or 'nothing at all'}.",
        cure="Name one of these periods, or load the bills of the one you mean.",
    )


def no_list_rate(settings: Settings, period: Period) -> Problem:
    """List prices are in dollars; without a rate they can weigh, but not estimate."""
    return Problem(
        "missing-rate",
        f"There is no USD rate to {settings.currency} for {period}: usage without a bill is not estimated.",
        cure=f"Add the USD rate for {period} to the file under `fx:`.",
        held=True,
    )


def _idle_rules(engine: DuckDBEngine, settings: Settings, loaded: Loaded) -> list[Problem]:
    used = {row[0] for row in engine.fetch("SELECT DISTINCT rule FROM ruled_charges")}
    fed = {target for rule in settings.allocate for target in rule.feeds}
    if not engine.value("SELECT COUNT(*) FROM ruled_charges"):
        return []
    unbilled = engine.value(
        """SELECT COUNT(*) FROM usage_days AS u WHERE NOT EXISTS (
          SELECT 1 FROM charges_all AS c
          WHERE c.period = strftime(u.day, '%Y-%m') AND COALESCE(c.charge_category, '') NOT IN ('Credit', 'Tax')
            AND c.provider_key = u.provider
            AND (c.account_key = u.account_key OR c.account_key = '' OR u.account_key = ''))"""
    )
    return [
        Problem(
            "rule-matches-nothing",
            f"Rule {rule.name} matches no charge in any period.",
            Place(FILE, loaded.line_of("allocate", number)),
            excerpt=f"when: {rule.when.text}" if rule.when else None,
            amount=f"0.00 {settings.currency}",
            cure="Correct its condition, or delete the rule; an earlier rule may own the charges it means.",
            # A rule may wait for a bill whose usage is there already.
            severity="warning" if unbilled and rule.method == "direct" else "error",
            held=True,
        )
        for number, rule in enumerate(settings.allocate)
        if rule_key(rule) not in used and rule.name not in fed and rule.condition is not None
    ]


def _misfits(engine: DuckDBEngine, settings: Settings) -> list[Problem]:
    uses = []
    by_key = {rule_key(rule): rule for rule in settings.allocate}
    unit = nano_per_minor(settings.currency)
    for key, category, gpu, nano in engine.fetch(
        """SELECT rule, category, gpu, CAST(SUM(effective_nano) AS BIGINT) FROM ruled_charges
        WHERE kind = 'usage' GROUP BY ALL ORDER BY ALL"""
    ):
        rule = by_key.get(key)
        if rule is None or (category == "inference" and not settings.usage):
            continue
        meter = rule.meter[0] if isinstance(rule, ProportionalRule) else None
        amount = f"{show(half_up_div(nano, unit), settings.currency)} {settings.currency}"
        uses.append(MethodUse(rule.name, rule.method, meter, category, gpu, amount))
    return method_fit(uses, [meter.name for meter in settings.meters])


def _codes(engine: DuckDBEngine, settings: Settings) -> list[Problem]:
    """Cost centres that finance does not know, or no longer (only where finance's codes are imported)."""
    if "cost_center" not in settings.dimensions or not any(d.type == "codes" for d in settings.directory):
        return []
    rows = engine.fetch(
        """WITH used AS (
          SELECT cost_center AS code, MIN(day) AS first, MAX(day) AS last, CAST(SUM(effective_nano) AS BIGINT) AS nano
          FROM charge_dimensions WHERE scope = 'ai' AND cost_center IS NOT NULL GROUP BY cost_center
          UNION ALL
          SELECT cost_center, MIN(day), MAX(day), NULL FROM usage_cells WHERE cost_center_via <> 0 GROUP BY cost_center
          UNION ALL
          SELECT DISTINCT value, CAST(NULL AS DATE), CAST(NULL AS DATE), CAST(NULL AS BIGINT)
          FROM directory_values WHERE take_column = 'cost_center'
        ),
        listed AS (
          SELECT value AS code, MIN(source_file || chr(1) || LPAD(CAST(source_row AS VARCHAR), 19, '0')) AS place
          FROM directory_values WHERE take_column = 'cost_center' GROUP BY value
        )
        SELECT u.code, MIN(u.first), MAX(u.last), CAST(SUM(u.nano) AS BIGINT),
          BOOL_OR(EXISTS (SELECT 1 FROM codes AS c WHERE c.code = u.code)) AS known,
          BOOL_AND(u.first IS NULL OR EXISTS (SELECT 1 FROM codes AS c WHERE c.code = u.code
            AND c.valid_from <= u.first AND c.valid_to > u.last)) AS valid, MIN(l.place)
        FROM used AS u LEFT JOIN listed AS l ON l.code = u.code
        WHERE u.code IS NOT NULL GROUP BY u.code ORDER BY u.code"""
    )
    found = []
    unit = nano_per_minor(settings.currency)
    for code, first, last, nano, known, valid, place in rows:
        amount = f"{show(half_up_div(nano, unit), settings.currency)} {settings.currency}" if nano is not None else None
        if not known:
            text = f"Cost centre {code} is used, and finance's codes do not have it."
            found.append(_code_problem("unknown-code", text, amount, code, place))
        elif not valid:
            text = f"Cost centre {code} is used from {first} to {last}, when finance's code is not valid."
            found.append(_code_problem("expired-code", text, amount, code, place))
    return found


def _code_problem(slug: str, text: str, amount: str | None, code: str, place: str | None) -> Problem:
    cure = f"Map the team to a valid code, or have finance extend {code} in the codes file."
    file, _, row = (place or "").rpartition("\x01")
    return Problem(slug, text, Place(file, row=int(row)) if place else None, amount=amount, cure=cure, held=True)
