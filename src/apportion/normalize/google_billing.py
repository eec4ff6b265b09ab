"""Google's billing export: a credit inside a row becomes a charge of its own, and a row says what kind it is.

Source: Google Cloud's documentation of the billing export to BigQuery (standard usage cost: `cost` is before `credits`,
each of which has an amount below zero; `cost_type` is regular, tax, adjustment or rounding_error), read 2026-11-27.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb

from apportion.errors import Place, Problem
from apportion.focus import fold
from apportion.normalize.exports import recognise
from apportion.normalize.reading import RECORDS, RecordFile, Records
from apportion.normalize.sources import SourceColumns
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

_PROVIDER = "Google Cloud"
_CATEGORY, _DESCRIPTION = "ChargeCategory", "ChargeDescription"
_KINDS = {"tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment", "regular": "Usage"}


def unfold(
    con: duckdb.DuckDBPyConnection, item: RecordFile, records: Records, spec: SourceColumns
) -> tuple[Records, list[Problem]]:
    """Unfold the records of a Google export; those of any other file are left as they are.

    Nothing is done where the bill is read from another column than `cost`, which may have its credits in it already.

    Args:
        con: Holds the records.
        item: The file.
        records: As read.
        spec: How the source is read.

    Returns:
        The records, and what of their credits cannot be read.
    """
    spelled = {fold(name): name for name in reversed(records.header)}
    export = recognise(records.header)
    said = {fold(name) for name in (*records.header, *spec.columns, *spec.constants)}
    if export is None or export.provider != _PROVIDER or fold(spec.columns.get("billed_cost", "")) != "cost":
        return records, []
    if {"chargecategory", "chargedescription"} & said or not {"credits", "costtype"} & set(spelled):
        return records, []
    kinds = " ".join(f"WHEN {literal(theirs)} THEN {literal(ours)}" for theirs, ours in _KINDS.items())
    category = (
        f"CASE lower(trim({quoted(spelled['costtype'])})) {kinds} END"
        if "costtype" in spelled
        else "CAST(NULL AS VARCHAR)"
    )
    own = ", ".join(quoted(name) for name in records.header)
    more = f"CAST(NULL AS VARCHAR) AS {quoted(_DESCRIPTION)}, source_row"
    con.execute(
        f"CREATE OR REPLACE TABLE _unfolded AS SELECT {own}, {category} AS {quoted(_CATEGORY)}, {more},"
        f" '' AS source_part FROM {RECORDS}"
    )
    unread = _credits(con, records, spelled) if "credits" in spelled else []
    con.execute(f"DROP TABLE {RECORDS}")
    con.execute(f"ALTER TABLE _unfolded RENAME TO {RECORDS}")
    rows = int(con.execute(f"SELECT count(*) FROM {RECORDS} WHERE source_part <> ''").fetchall()[0][0])
    header = (*records.header, _CATEGORY, _DESCRIPTION)
    return replace(records, header=header, rows_in=records.rows_in + rows, parts=True), _problems(item, unread)


def _credits(con: duckdb.DuckDBPyConnection, records: Records, spelled: dict[str, str]) -> list[tuple[int, int]]:
    """Add a record for each credit; the row and number of those whose list cannot be read."""
    credit = quoted(spelled["credits"])
    listed = f"TRY_CAST(quoted_numbers({credit}) AS JSON[])"
    own = ", ".join(
        f"each ->> 'amount' AS {quoted(name)}" if name == spelled["cost"] else quoted(name) for name in records.header
    )
    con.execute(
        f"""INSERT INTO _unfolded BY NAME SELECT {own}, 'Credit' AS {quoted(_CATEGORY)},
          coalesce(each ->> 'full_name', each ->> 'name') AS {quoted(_DESCRIPTION)}, source_row,
          '/credit ' || nth AS source_part FROM (
            SELECT *, unnest({listed}) AS each, generate_subscripts({listed}, 1) AS nth FROM {RECORDS}
            WHERE filled({credit}) IS NOT NULL AND {listed} IS NOT NULL
          ) WHERE NOT is_zero(coalesce(each ->> 'amount', '0'))"""
    )
    return con.execute(
        f"SELECT count(*), min(source_row) FROM {RECORDS} WHERE filled({credit}) IS NOT NULL AND {listed} IS NULL"
    ).fetchall()


def _problems(item: RecordFile, unread: list[tuple[int, int]]) -> list[Problem]:
    found = []
    for count, row in unread:
        rows = "row has" if count == 1 else "rows have"
        what = f"{count:,} {rows} credits that are no JSON list, and no credits therefore"
        if count:
            found.append(
                Problem(
                    "credits-unreadable",
                    f"source {item.source!r}: {item.name!r}: {what}",
                    place=Place(item.name, row=row),
                    amount="unknown: no amount can be read",
                    cure='write credits as a JSON list such as [{"name": "Promotion", "amount": -1.5}]',
                    severity="warning",
                )
            )
    return found
