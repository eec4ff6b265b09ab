"""What only a look at all of the data can tell: rules that match nothing, codes that finance does not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa

from apportion.allocate.ledger import meters_of, rule_key
from apportion.allocate.rules import charge_condition
from apportion.attribute.categories import MethodUse, method_fit
from apportion.config.conditions import Condition
from apportion.config.load import FILE, Loaded
from apportion.config.rules import ProportionalRule
from apportion.config.settings import Settings
from apportion.errors import Place, Problem
from apportion.money import half_up_div, nano_per_minor, show
from apportion.period import Period
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal

_NO_DAY = date(2020, 1, 1)
_BEFORE = timedelta(days=62)
_AFTER = timedelta(days=1200)


def write_calendar(engine: Engine) -> None:
    """Write `calendar`: every day that a charge, a call or a meter row touches, with room for amortised terms."""
    ((first, last),) = engine.fetch(
        """SELECT MIN(day), MAX(day) FROM (
          SELECT CAST(charge_period_start AS DATE) AS day FROM charges
          UNION ALL SELECT CAST(charge_period_end AS DATE) FROM charges
          UNION ALL SELECT day FROM usage_cells
          UNION ALL SELECT day FROM meter_rows
        ) AS touched"""
    )
    start, end = (first or _NO_DAY) - _BEFORE, (last or _NO_DAY) + _AFTER
    engine.run(
        f"""CREATE OR REPLACE TABLE calendar AS
        SELECT CAST(UNNEST(GENERATE_SERIES({literal(start)}, {literal(end)}, INTERVAL 1 DAY)) AS DATE) AS day"""
    )


def write_metered_items(engine: Engine, settings: Settings) -> None:
    """Write `metered_items`: which items each metered rule has measurements for."""
    pairs = [(rule_key(rule), meter) for rule in settings.allocate for meter in meters_of(rule, settings)]
    columns = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    arrays = [pa.array(column, pa.string()) for column in columns]
    engine.register("rule_meters", pa.table(dict(zip(("rule", "meter"), arrays, strict=True))))
    engine.run(
        """CREATE OR REPLACE TABLE metered_items AS SELECT DISTINCT r.rule, m.item FROM rule_meters AS r
        JOIN meter_rows AS m ON m.meter = r.meter WHERE m.item IS NOT NULL"""
    )


def whole_project(engine: Engine, settings: Settings, loaded: Loaded) -> list[Problem]:
    """Problems of the project and its data taken together, each with its money."""
    found = [*_idle_rules(engine, settings, loaded), *_misfits(engine, settings), *_codes(engine, settings)]
    return [*_no_sources(settings), *found]


def _no_sources(settings: Settings) -> list[Problem]:
    """A project that reads neither bills nor calls can publish nothing."""
    if settings.bills or settings.usage:
        return []
    message = "The settings name no bill and no usage: there is nothing to publish."
    cure = "Name files under `bills:` or `usage:`; `apportion init --preview` proposes some."
    return [Problem("no-sources", message, Place(FILE), cure=cure, severity="warning")]


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


def _idle_rules(engine: Engine, settings: Settings, loaded: Loaded) -> list[Problem]:
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
    found = []
    for number, rule in enumerate(settings.allocate):
        if rule_key(rule) in used or rule.name in fed or rule.condition is None:
            continue
        message = f"Rule {rule.name} matches no charge in any period."
        cure = "Correct its condition, or delete the rule; an earlier rule may own the charges it means."
        charges, sums = _out_of_scope(engine, settings, rule.condition)
        if charges:
            message = f"Rule {rule.name} matches no charge in scope; {charges:,} out of scope would match."
            cure = "If they are AI, write their condition under `scope: {include: [...]}`."
        found.append(
            Problem(
                "rule-matches-nothing",
                message,
                Place(FILE, loaded.line_of("allocate", number)),
                excerpt=f"when: {rule.when.text}" if rule.when else None,
                amount=_money(sums) if charges else f"{show(0, settings.currency)} {settings.currency}",
                cure=cure,
                # A rule may wait for a bill whose usage is there already.
                severity="warning" if unbilled and rule.method == "direct" else "error",
                held=True,
            )
        )
    return found


def _out_of_scope(engine: Engine, settings: Settings, condition: Condition) -> tuple[int, Sequence[tuple[str, int]]]:
    """How many charges a rule would match if they were in scope, and their sums by currency."""
    dimensions = settings.dimension_names
    columns = [column for column in engine.describe("charge_dimensions") if column not in dimensions]
    rows = engine.fetch(
        f"""SELECT currency, COUNT(*), CAST(SUM(effective_nano) AS BIGINT) FROM charge_dimensions
        WHERE scope <> 'ai' AND {charge_condition(condition, columns, dimensions)} GROUP BY ALL ORDER BY ALL"""
    )
    return sum(row[1] for row in rows), [(row[0], row[2]) for row in rows]


def _money(sums: Sequence[tuple[str, int]]) -> str:
    """Amounts in nano-units, by currency, for people."""
    return " + ".join(
        f"{show(half_up_div(nano, nano_per_minor(currency)), currency)} {currency}" for currency, nano in sums
    )


def _misfits(engine: Engine, settings: Settings) -> list[Problem]:
    uses = []
    by_key = {rule_key(rule): rule for rule in settings.allocate}
    sums: dict[tuple[str, str, bool], list[tuple[str, int]]] = {}
    for key, category, gpu, currency, nano in engine.fetch(
        """SELECT rule, category, gpu, currency, CAST(SUM(effective_nano) AS BIGINT) FROM ruled_charges
        WHERE kind = 'usage' GROUP BY ALL ORDER BY ALL"""
    ):
        sums.setdefault((key, category, gpu), []).append((currency, nano))
    for (key, category, gpu), amounts in sums.items():
        rule = by_key.get(key)
        if rule is None or (category == "inference" and not settings.usage):
            continue
        meter = rule.meter[0] if isinstance(rule, ProportionalRule) else None
        uses.append(MethodUse(rule.name, rule.method, meter, category, gpu, _money(amounts)))
    return method_fit(uses, [meter.name for meter in settings.meters])


def _codes(engine: Engine, settings: Settings) -> list[Problem]:
    """Cost centres that finance does not know, or no longer (only where finance's codes are imported)."""
    if "cost_center" not in settings.dimensions or not any(d.type == "codes" for d in settings.directory):
        return []
    rows = engine.fetch(
        """WITH used AS (
          SELECT cost_center AS code, MIN(day) AS first, MAX(day) AS last
          FROM charge_dimensions WHERE scope = 'ai' AND cost_center IS NOT NULL GROUP BY cost_center
          UNION ALL
          SELECT cost_center, MIN(day), MAX(day) FROM usage_cells WHERE cost_center_via <> 0 GROUP BY cost_center
          UNION ALL
          SELECT DISTINCT value, CAST(NULL AS DATE), CAST(NULL AS DATE)
          FROM directory_values WHERE take_column = 'cost_center'
        ),
        listed AS (
          SELECT value AS code, MIN(source_file || chr(1) || LPAD(CAST(source_row AS VARCHAR), 19, '0')) AS place
          FROM directory_values WHERE take_column = 'cost_center' GROUP BY value
        )
        SELECT u.code, MIN(u.first), MAX(u.last),
          BOOL_OR(EXISTS (SELECT 1 FROM codes AS c WHERE c.code = u.code)) AS known,
          BOOL_AND(u.first IS NULL OR EXISTS (SELECT 1 FROM codes AS c WHERE c.code = u.code
            AND c.valid_from <= u.first AND c.valid_to > u.last)) AS valid, MIN(l.place)
        FROM used AS u LEFT JOIN listed AS l ON l.code = u.code
        WHERE u.code IS NOT NULL GROUP BY u.code ORDER BY u.code"""
    )
    sums: dict[str, list[tuple[str, int]]] = {}
    for code, currency, nano in engine.fetch(
        """SELECT cost_center, currency, CAST(SUM(effective_nano) AS BIGINT) FROM charge_dimensions
        WHERE scope = 'ai' AND cost_center IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    ):
        sums.setdefault(code, []).append((currency, nano))
    found = []
    for code, first, last, known, valid, place in rows:
        amount = _money(sums[code]) if code in sums else None
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
