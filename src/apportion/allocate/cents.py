"""Cents made once: contenders for whole units, and the units that rounding leaves handed out among them (law L5)."""

from __future__ import annotations

from apportion.warehouse.engine import Engine

# About one key in a million has such an MD5.
MARK = "00000%"


def contend(engine: Engine, parts: str, totals: str) -> None:
    """Leave the view `contenders`: parts of mixed sign on their way to whole units.

    Args:
        engine: Where.
        parts: A query with group_key, part_key, fine in nano-units.
        totals: A query with group_key, total in minor units, unit in nano-units.
    """
    engine.sql_step(parts, into="parts_as_given", view=True)
    engine.sql_step(totals, into="totals", view=True)
    engine.sql_step("sql/parts_scaled.sql", beside=__package__, into="parts", view=True)
    engine.sql_step("sql/apportion.sql", beside=__package__, into="contenders", view=True)


def hand_out(engine: Engine, into: str, *, view: bool = False, mark: str = MARK) -> None:
    """Give every contender its whole units.

    Args:
        engine: Holds `contenders`, which is read several times: a table where it is large.
        into: The table to make, with group_key, part_key, minor.
        view: Make a view instead.
        mark: Which parts cut a group into slices, as a pattern of their key's MD5.
    """
    engine.sql_step("sql/hand_out.sql", beside=__package__, into=into, view=view, mark=mark)
