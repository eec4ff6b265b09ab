"""The currencies of a file, told apart from what is no currency."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from apportion.money import is_currency, nano_digits
from apportion.normalize.sources import ALIGNED
from apportion.warehouse.quoting import name as quoted

CURRENCIES = "_currencies"


def declare_currencies(con: duckdb.DuckDBPyConnection, column: str) -> None:
    """Make the table `_currencies`: each ISO 4217 code in the file, with the digits of its nano-unit.

    Args:
        con: Holds the view `_aligned`.
        column: The column of it that names the currency.
    """
    rows = con.execute(f"SELECT DISTINCT trim({quoted(column)}) FROM {ALIGNED}").fetchall()
    known = sorted(code for (code,) in rows if code is not None and is_currency(code))
    con.register(
        "_known",
        pa.table(
            {
                "code": pa.array(known, pa.string()),
                "nano_digits": pa.array([nano_digits(code) for code in known], pa.int32()),
            }
        ),
    )
    con.execute(f"CREATE OR REPLACE TABLE {CURRENCIES} AS SELECT * FROM _known")
    con.unregister("_known")
