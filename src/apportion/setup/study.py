"""What the sources hold, read by the readers of a run: rows, spans, money, tags, keys and services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from apportion.attribute.scope import decide_scope
from apportion.config.load import Loaded
from apportion.config.policies import Scope
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.focus import TABLES
from apportion.normalize.usage import UsageSource, prepare_usage
from apportion.normalize.usage_columns import TEXTS
from apportion.pipeline.inputs import Inputs, gather, read
from apportion.setup.privacy import may_hold_text
from apportion.setup.sources import Source
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

# Evidence needs no more calls than these; the newest are looked at.
_MOST_ROWS = 5_000_000
_MOST_VALUES = 2_000
_COLUMNS = tuple(name for name in TEXTS if name not in {"call_id", "service_tier", "region", "speed"})
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Extent:
    """How much a source holds.

    Attributes:
        rows: Of its files.
        first: The first day; None where rows have none.
        last: The last day.
        money: Billed, by currency.
        calls: Of usage.
    """

    rows: int
    first: date | None = None
    last: date | None = None
    money: tuple[tuple[str, Decimal], ...] = ()
    calls: int | None = None


@dataclass(frozen=True)
class Values:
    """What one tag or column says.

    Attributes:
        calls: On how many calls it stands, by value.
        charges: On how many charges in scope it stands, by value.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    charges: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """Charges of one service and category that are AI.

    Attributes:
        service: As the bill names it.
        category: As the built-in rules say.
        is_gpu: Whether they are machines.
        charges: How many.
        resources: The ids of what they were used on.
        names: The names of the same.
        tags: The keys of their tags.
    """

    service: str
    category: str
    is_gpu: bool
    charges: int
    resources: frozenset[str]
    names: frozenset[str]
    tags: frozenset[str]


@dataclass(frozen=True)
class Study:
    """Everything that was seen.

    Attributes:
        problems: Of files and rows.
        extents: By section and name of the source.
        calls: In all usage that was looked at.
        charges: How many are in scope.
        tags: By key.
        columns: By column of usage.
        kinds: Of charges in scope.
        items: What each meter measured, by its name.
        meter_tags: The tags of all meters.
        currencies: Of the bills: how many charges, by currency.
        directory: Rows of each look-up and roster as mappings, by name.
        twins: Bills that hold the charges of another file in another form, and which file that is.
    """

    problems: tuple[Problem, ...] = ()
    extents: Mapping[tuple[str, str], Extent] = field(default_factory=dict)
    calls: int = 0
    charges: int = 0
    tags: Mapping[str, Values] = field(default_factory=dict)
    columns: Mapping[str, Values] = field(default_factory=dict)
    kinds: tuple[Kind, ...] = ()
    items: Mapping[str, frozenset[str]] = field(default_factory=dict)
    meter_tags: frozenset[str] = frozenset()
    currencies: Mapping[str, int] = field(default_factory=dict)
    directory: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)


def study(loaded: Loaded, sources: Sequence[Source], folder: Path, scratch: Path) -> Study:
    """Read every source as a run would, and say what is in it.

    Args:
        loaded: Settings that name the sources.
        sources: The same sources.
        folder: The project's.
        scratch: A folder for conversions.
    """
    settings = loaded.settings
    if settings is None:
        return Study(loaded.problems)
    with DuckDBEngine(scratch, memory_limit="1GB") as engine:
        inputs = read(engine, settings, gather(settings, folder, scratch))
        looked = _Looked(engine, settings, sources, scratch)
        decide_scope(engine.connection, Scope(), ())
        counts = {(c.table, c.source): c.rows_in for c in inputs.control}
        calls, problems = looked.usage(inputs)
        return Study(
            (*loaded.problems, *inputs.problems, *problems),
            {**looked.extents(counts), **looked.called},
            calls,
            engine.value("SELECT COUNT(*) FROM scoped_charges WHERE scope = 'ai'"),
            looked.values("tag"),
            looked.values("column"),
            looked.kinds(),
            looked.items(),
            frozenset(row[0] for row in engine.fetch("SELECT DISTINCT UNNEST(MAP_KEYS(tags)) FROM meter_rows")),
            dict(engine.fetch("SELECT billing_currency, COUNT(*) FROM charges GROUP BY ALL ORDER BY ALL")),
            looked.directory(),
            looked.twins(),
        )


class _Looked:
    """The tables of one reading, asked."""

    def __init__(self, engine: DuckDBEngine, settings: Settings, sources: Sequence[Source], scratch: Path) -> None:
        self._engine = engine
        self._settings = settings
        self._sources = sources
        self._scratch = scratch
        self.called: dict[tuple[str, str], Extent] = {}
        engine.run("CREATE OR REPLACE TABLE seen (sort VARCHAR, key VARCHAR, value VARCHAR, calls BIGINT)")

    def usage(self, inputs: Inputs) -> tuple[int, list[Problem]]:
        """Count what the calls say; the newest where there are very many."""
        total = 0
        problems: list[Problem] = []
        for source in self._settings.usage:
            mine = next(each for each in self._sources if each.section == "usage" and each.name == source.name)
            keys = tag_keys(mine)
            reader = UsageSource(source.name, source.tokens, source.columns, source.constants)
            prepared = prepare_usage(
                self._engine,
                inputs.of("usage", source.name),
                reader,
                tag_keys=keys,
                staging=self._scratch / "calls",
            )
            problems += prepared.problems
            days = [day for each in prepared.slices for day in (each.day_from, each.day_to - _ONE_DAY)]
            calls = seen = 0
            for part in reversed(prepared.slices):
                if seen <= _MOST_ROWS:
                    calls += self._look(part.sql, prepared.tag_columns)
                    seen += part.rows
                else:
                    calls += part.rows
            extent = Extent(prepared.rows, min(days, default=None), max(days, default=None), calls=calls)
            self.called["usage", source.name] = extent
            total += calls
        return total, problems

    def _look(self, query: str, tags: Mapping[str, str]) -> int:
        said = [f"{{'sort': 'column', 'key': {literal(name)}, 'value': {quoted(name)}}}" for name in _COLUMNS]
        said += [f"{{'sort': 'tag', 'key': {literal(key)}, 'value': {quoted(at)}}}" for key, at in tags.items()]
        self._engine.run(f"CREATE OR REPLACE TEMP VIEW looked AS {query}")
        self._engine.run(
            f"""INSERT INTO seen SELECT each.sort, each.key, each.value, CAST(SUM(calls) AS BIGINT) FROM (
              SELECT calls, UNNEST([{", ".join(said)}]) AS each FROM looked WHERE fault IS NULL
            ) WHERE each.value IS NOT NULL AND each.value <> '' GROUP BY ALL"""
        )
        return int(self._engine.value("SELECT COALESCE(SUM(calls), 0) FROM looked WHERE fault IS NULL"))

    def values(self, sort: str) -> dict[str, Values]:
        """What each tag or column says, the commonest values first."""
        calls = self._counted(f"SELECT key, value, SUM(calls) AS n FROM seen WHERE sort = {literal(sort)} GROUP BY ALL")
        charges: dict[str, dict[str, int]] = {}
        if sort == "tag":
            charges = self._counted(
                """SELECT entry.key AS key, entry.value AS value, COUNT(*) AS n FROM (
                  SELECT UNNEST(MAP_ENTRIES(tags)) AS entry FROM scoped_charges WHERE scope = 'ai'
                ) WHERE entry.value <> '' GROUP BY ALL"""
            )
        else:
            charges = self._counted(
                """SELECT 'sub_account_name' AS key, sub_account_name AS value, COUNT(*) AS n FROM scoped_charges
                WHERE scope = 'ai' AND sub_account_name <> '' GROUP BY ALL
                UNION ALL SELECT entry.key, entry.value, COUNT(*) FROM (
                  SELECT UNNEST(MAP_ENTRIES(extra)) AS entry FROM scoped_charges WHERE scope = 'ai'
                ) WHERE entry.key LIKE 'x\\_%' ESCAPE '\\' AND entry.value <> '' GROUP BY ALL"""
            )
        return {key: Values(calls.get(key, {}), charges.get(key, {})) for key in sorted({*calls, *charges})}

    def _counted(self, query: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for key, value, number in self._engine.fetch(
            f"""SELECT key, value, CAST(n AS BIGINT) FROM ({query})
            QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY n DESC, value) <= {_MOST_VALUES}
            ORDER BY key, n DESC, value"""
        ):
            found.setdefault(key, {})[value] = number
        return found

    def kinds(self) -> tuple[Kind, ...]:
        """The charges that are AI, by service and category."""
        rows = self._engine.fetch(
            """SELECT COALESCE(service_name, ''), category, COALESCE(is_gpu, FALSE), COUNT(*),
              LIST(DISTINCT resource_id) FILTER (resource_id IS NOT NULL),
              LIST(DISTINCT resource_name) FILTER (resource_name IS NOT NULL),
              LIST(DISTINCT TO_JSON(MAP_KEYS(tags))) FILTER (CARDINALITY(tags) > 0)
            FROM scoped_charges WHERE scope = 'ai' AND COALESCE(charge_category, '') NOT IN ('Credit', 'Tax')
            GROUP BY ALL ORDER BY ALL"""
        )
        return tuple(
            Kind(service, category, gpu, count, frozenset(resources or ()),
                frozenset(called or ()),
                 frozenset(key for keys in tags or () for key in json.loads(keys)))
            for service, category, gpu, count, resources, called, tags in rows
        )  # fmt: skip

    def items(self) -> dict[str, frozenset[str]]:
        """What each meter measured."""
        rows = self._engine.fetch(
            "SELECT meter, LIST(DISTINCT item) FROM meter_rows WHERE item IS NOT NULL GROUP BY meter"
        )
        return {meter: frozenset(items) for meter, items in rows}

    def directory(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """The rows of look-ups and rosters."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for name, values in self._engine.fetch(
            """SELECT lookup, "values" FROM lookup_rows UNION ALL SELECT roster,
            MAP_CONCAT("values", MAP {'person': person, 'team': team}) FROM roster_rows"""
        ):
            found.setdefault(name, []).append(dict(values))
        return found

    def twins(self) -> dict[str, str]:
        """Files with the same charges in another form, such as a bill as CSV and as Parquet."""
        rows = self._engine.fetch(
            """SELECT LIST(source_file ORDER BY source_file) FROM (
              SELECT source_file, COUNT(*) AS rows, SUM(billed_cost) AS billed, MD5(STRING_AGG(
                CONCAT_WS('|', invoice_key, charge_period_start, service_name, sku_id, billed_cost), '~'
                ORDER BY invoice_key, charge_period_start, service_name, sku_id, billed_cost)) AS content
              FROM charges GROUP BY source_file
            ) WHERE billed <> 0 GROUP BY rows, billed, content HAVING COUNT(*) > 1 ORDER BY 1"""
        )
        return {twin: first for ((first, *others),) in rows for twin in others}

    def extents(self, counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], Extent]:
        """How much each source but usage holds."""
        money: dict[str, list[tuple[str, Decimal]]] = {}
        for source, currency, amount in self._engine.fetch(
            "SELECT source, billing_currency, SUM(billed_cost) FROM charges GROUP BY ALL ORDER BY ALL"
        ):
            money.setdefault(source, []).append((currency, amount))
        spans: dict[tuple[str, str], tuple[date | None, date | None]] = {}
        for table, query in _SPANS.items():
            spans |= {(table, name): (first, last) for name, first, last in self._engine.fetch(query)}
        out = {}
        for source in self._sources:
            first, last = spans.get((source.table, source.name), (None, None))
            rows = counts.get((source.table, source.name), counts.get((source.table, source.section), 0))
            amounts = tuple(money.get(source.name, ())) if source.table == "charges" else ()
            out[source.section, source.name] = Extent(rows, first, last, amounts)
        return out


_SPANS = {
    "charges": """SELECT source, CAST(MIN(charge_period_start) AS DATE),
      CAST(MAX(charge_period_end - INTERVAL 1 MICROSECOND) AS DATE) FROM charges GROUP BY source""",
    "meters": "SELECT meter, MIN(day), CAST(MAX(day_end) - INTERVAL 1 DAY AS DATE) FROM meter_rows GROUP BY meter",
}


def tag_keys(source: Source) -> list[str]:
    """Tags that the calls of a source carry: keys of their tags, and columns that are none of ours."""
    sample, seen = source.sample, source.seen
    found = TABLES["usage"].find(sample.header)
    used = {*found.values(), *seen.columns.values()}
    keys: dict[str, None] = {}
    at = seen.columns.get("tags") or found.get("tags")
    for text in sample.column(at) if at else []:
        try:
            tags = json.loads(text)
        except ValueError:
            continue
        if isinstance(tags, dict):
            keys |= dict.fromkeys(key for key, value in tags.items() if not isinstance(value, dict | list))
    keys |= dict.fromkeys(name for name in sample.header if name not in used and "." not in name)
    return [key for key in keys if not may_hold_text(key, sample.column(key))][:40]
