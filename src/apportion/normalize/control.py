"""What a stage leaves for the next one to check: rows and money per source (law L1)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apportion.errors import InvariantError


@dataclass(frozen=True)
class CurrencyTotal:
    """The money of one source in one currency, to the last digit.

    Attributes:
        currency: ISO 4217.
        billed: Sum of the billed costs that were read.
        effective: Sum of the effective costs that were read.
        quarantined: Sum of the amounts that were set aside, where they can be read at all.
    """

    currency: str
    billed: Decimal
    effective: Decimal
    quarantined: Decimal = Decimal(0)


@dataclass(frozen=True)
class ControlTotal:
    """The rows of one source, and its money where it has some.

    Attributes:
        table: What it holds.
        source: Its name.
        rows_in: Records in its files.
        rows_out: Records that became rows.
        rows_quarantined: Records that were set aside.
        totals: Per currency, sorted; empty for a table without money.
    """

    table: str
    source: str
    rows_in: int
    rows_out: int
    rows_quarantined: int
    totals: tuple[CurrencyTotal, ...] = ()

    def check(self) -> None:
        """See that every record is somewhere.

        Raises:
            InvariantError: Rows were lost or invented.
        """
        if self.rows_in != self.rows_out + self.rows_quarantined:
            raise InvariantError(
                "L1",
                f"rows of {self.table} from {self.source}, in against out and quarantined",
                self.rows_in,
                self.rows_out + self.rows_quarantined,
            )
