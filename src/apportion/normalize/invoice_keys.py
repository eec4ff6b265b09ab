"""Invoices told apart: one number may stand on bills in two currencies, or of two periods.

Money of two currencies is never added, and an invoice belongs to one period (decision D1). Where a number is used
more widely than that, the currency, the period or both become part of the invoice's key.
"""

from __future__ import annotations

import duckdb


def tell_invoices_apart(con: duckdb.DuckDBPyConnection) -> None:
    """Make `invoice_key` of `charges` and `invoices_printed` unique to one currency and one period.

    Args:
        con: Holds both tables.
    """
    con.execute(
        """CREATE OR REPLACE TEMP TABLE invoice_spans AS
        SELECT invoice_key, COUNT(DISTINCT billing_currency) > 1 AS currencies, COUNT(DISTINCT period) > 1 AS periods
        FROM charges GROUP BY invoice_key
        HAVING COUNT(DISTINCT billing_currency) > 1 OR COUNT(DISTINCT period) > 1"""
    )
    for table, currency in (("charges", "billing_currency"), ("invoices_printed", "currency")):
        con.execute(
            f"""UPDATE {table} AS t SET invoice_key = t.invoice_key
              || CASE WHEN s.currencies THEN '|' || t.{currency} ELSE '' END
              || CASE WHEN s.periods THEN '|' || COALESCE(t.period, '') ELSE '' END
            FROM invoice_spans AS s WHERE s.invoice_key = t.invoice_key"""
        )
