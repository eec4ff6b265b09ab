"""Bills in the FOCUS form become `charges`, one row per bill row, exact to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import duckdb

from apportion.errors import InvariantError, Place, Problem
from apportion.focus import TABLES
from apportion.money import nano_digits
from apportion.normalize import quarantine
from apportion.normalize.charge_models import model_sql
from apportion.normalize.control import ControlTotal, CurrencyTotal
from apportion.normalize.currencies import declare_currencies
from apportion.normalize.google_billing import unfold
from apportion.normalize.providers import provider_sql
from apportion.normalize.reading import RECORDS, RecordFile, read_records
from apportion.normalize.sources import ALIGNED, SourceColumns, align
from apportion.warehouse.quoting import literal, names
from apportion.warehouse.steps import fill, step_text

_KINDS = {
    "text": "VARCHAR",
    "json": "VARCHAR",
    "decimal": "DECIMAL(38, 18)",
    "timestamp": "TIMESTAMP",
    "tags": "MAP(VARCHAR, VARCHAR)",
}
_MEASURES = tuple(
    column.name
    for column in TABLES["charges"].columns
    if column.kind == "decimal" and column.name not in {"billed_cost", "effective_cost", "list_cost", "contracted_cost"}
)
COLUMNS: dict[str, str] = {
    "charge_id": "VARCHAR",
    "source": "VARCHAR",
    "source_file": "VARCHAR",
    "source_row": "BIGINT",
    **{column.name: _KINDS[column.kind] for column in TABLES["charges"].columns},
    "extra": "MAP(VARCHAR, VARCHAR)",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "invoice_key": "VARCHAR",
    "period": "VARCHAR",
    "billed_nano": "BIGINT",
    "effective_nano": "BIGINT",
    "effective_residue": "DECIMAL(38, 18)",
}
# Python's own context rounds behind 28 digits; a sum here may have 38.
_WIDE = Context(prec=60)
_ISSUER = "trim(coalesce(invoice_issuer_name, service_provider_name, provider_name, ''))"
_PROVIDER = "coalesce(service_provider_name, provider_name, invoice_issuer_name)"


@dataclass(frozen=True)
class NormalizeResult:
    """What became of the files of one source.

    Attributes:
        table_rows: How many rows the source's table got.
        control: Rows and money of the source.
        problems: Of the files, and warnings; rows that were set aside are told from `quarantine` at the end.
    """

    table_rows: int
    control: ControlTotal
    problems: tuple[Problem, ...]


def prepare_charges(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `charges`, empty, unless it is there."""
    columns = ", ".join(f"{names([name])} {kind}" for name, kind in COLUMNS.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS charges ({columns})")


def normalize_charges(
    con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns
) -> NormalizeResult:
    """Add the files of one source to `charges`, and to `quarantine` what cannot be read.

    Args:
        con: The engine's connection.
        objects: The source's files.
        spec: How to read them.

    Returns:
        Rows, money and problems.

    Raises:
        InvariantError: Rows or money were lost on the way.
    """
    prepare_charges(con)
    quarantine.prepare(con)
    problems: list[Problem] = []
    read = 0
    for item in objects:
        records = read_records(con, item, delimiter=spec.delimiter)
        if isinstance(records, Problem):
            problems.append(records)
            continue
        records, unread = unfold(con, item, records, spec)
        problems += unread
        found = align(con, item, records, spec)
        problems += found
        if any(problem.severity == "error" for problem in found):
            quarantine.release(con, item.table, item.source, item.name)
            continue
        read += records.rows_in
        _tell(con, (*spec.constants, *spec.columns, *records.header))
        declare_currencies(con, "billing_currency")
        con.execute(
            "CREATE OR REPLACE TABLE _typed_charges AS "
            + fill(step_text("charges.sql", "apportion.normalize"), bindings={"date_form": spec.date_form})
        )
        problems += _measures(con, item)
        con.execute(f"DROP TABLE IF EXISTS {RECORDS}")
        con.execute(f"INSERT INTO charges SELECT {names(COLUMNS)} FROM _typed_charges WHERE reason IS NULL")
        _set_aside(con)
        problems += _tags(con, item)
        problems += _rounded(con, item)
        _drop(con)
    control = _control(con, spec, read)
    return NormalizeResult(control.rows_out, control, tuple(problems))


def _tell(con: duckdb.DuckDBPyConnection, header: tuple[str, ...]) -> None:
    """Say of every row who provides it, which model it is for and who issues the invoice."""
    con.execute(
        f"CREATE OR REPLACE VIEW _told AS SELECT *, {provider_sql(_PROVIDER, 'service_name')} AS provider,"
        f" {model_sql(header)} AS model, {_ISSUER} AS issuer FROM {ALIGNED}"
    )


def _set_aside(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "INSERT INTO quarantine SELECT 'charges', source, source_file, source_row, reason, detail,"
        " amount_text, billing_currency, excerpt FROM _typed_charges WHERE reason IS NOT NULL"
    )


def _tags(con: duckdb.DuckDBPyConnection, item: RecordFile) -> list[Problem]:
    """Tags that could not be read: counted, the row is kept."""
    problems = []
    count, row = _first(con, "SELECT count(*), min(source_row) FROM _typed_charges WHERE tags_unreadable")
    if count:
        problems.append(
            Problem(
                "tags-unreadable",
                f"source {item.source!r}: the tags of {count:,} rows of {item.name!r} are no JSON object; "
                "the rows are kept without tags",
                place=Place(item.name, row=row),
                cure='write tags as a JSON object such as {"team": "search"}',
                severity="warning",
            )
        )
    return problems


def _rounded(con: duckdb.DuckDBPyConnection, item: RecordFile) -> list[Problem]:
    """Costs with more digits than are kept: a cloud prints its binary fractions so. The rows are kept."""
    kept = "FROM _typed_charges WHERE cost_rounded AND reason IS NULL"
    count, row = _first(con, f"SELECT count(*), min(source_row) {kept}")
    if not count:
        return []
    return [
        Problem(
            "cost-rounded",
            f"source {item.source!r}: {count:,} {'row has a cost' if count == 1 else 'rows have costs'} of more than"
            " 18 decimals, rounded half up to the 18th",
            place=Place(item.name, row=row),
            amount="less than 0.000000000000000001 a row",
            cure="none is needed: many billion such rows would not make a cent; export at most 18 decimals"
            " if the digits matter",
            severity="warning",
        )
    ]


def _measures(con: duckdb.DuckDBPyConnection, item: RecordFile) -> list[Problem]:
    """Quantities and unit prices that are no exact numbers: counted, the row is kept."""
    states = ", ".join(
        f"count(*) FILTER (number_state({names([name])}) NOT IN ('missing', 'exact'))" for name in _MEASURES
    )
    counts = con.execute(f"SELECT {states} FROM {ALIGNED}").fetchall()[0]
    lost = [(name, n) for name, n in zip(_MEASURES, counts, strict=True) if n]
    if lost:
        listed = ", ".join(f"{name} ({n:,} rows)" for name, n in lost)
        return [
            Problem(
                "measure-unreadable",
                f"source {item.source!r}: quantities or unit prices of {item.name!r} are no exact numbers:"
                f" {listed}; the rows are kept, these values are empty or rounded to 18 decimals",
                place=Place(item.name),
                cure="export plain numbers with at most 18 decimals, if the columns matter",
                severity="warning",
            )
        ]
    return []


def _control(con: duckdb.DuckDBPyConnection, spec: SourceColumns, rows_in: int) -> ControlTotal:
    source = literal(spec.source)
    sums = con.execute(
        "SELECT billing_currency, sum(billed_cost), sum(effective_cost), sum(CAST(billed_nano AS HUGEINT)),"
        f" count(*) FROM charges WHERE source = {source} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    held = con.execute(
        "SELECT coalesce(currency, ''), sum(coalesce(TRY_CAST(amount AS DECIMAL(38, 18)), 0)), count(*)"
        f" FROM quarantine WHERE table_name = 'charges' AND source = {source} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    aside = {currency: Decimal(amount) for currency, amount, _ in held}
    read = {row[0]: row for row in sums}
    totals = tuple(
        CurrencyTotal(
            currency,
            read[currency][1] if currency in read else Decimal(0),
            read[currency][2] if currency in read else Decimal(0),
            aside.get(currency, Decimal(0)),
        )
        for currency in sorted({*read, *aside})
    )
    for currency, billed, _, nano, rows in sums:
        # Each row's nano-units drop less than one unit, so the two sums differ by less than one per row.
        off = abs(billed.scaleb(nano_digits(currency), _WIDE) - nano)
        if off >= max(rows, 1):
            raise InvariantError("L1", f"billed cost of {spec.source} in {currency}", billed, nano)
    control = ControlTotal(
        "charges", spec.source, rows_in, sum(row[4] for row in sums), sum(row[2] for row in held), totals
    )
    control.check()
    return control


def _first(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int | None]:
    row = con.execute(query).fetchall()[0]
    return int(row[0]), row[1]


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("DROP VIEW IF EXISTS _told")
    con.execute(f"DROP VIEW IF EXISTS {ALIGNED}")
    for table in ("_typed_charges", "_currencies", RECORDS):
        con.execute(f"DROP TABLE IF EXISTS {table}")
