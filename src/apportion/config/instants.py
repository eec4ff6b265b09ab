"""Instants in conditions: whatever the spelling, one moment in UTC, in Python and in SQL.

A field whose name ends in `_at`, `_period_start` or `_period_end` holds an instant. Its text and the text of a
written value are read alike: a day, or a day and a time with `T` or a blank between them, with `Z`, with an
offset, or without one (UTC).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlglot import exp

_ENDINGS = ("_period_start", "_period_end", "_at")
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_PLAIN = f"{_DAY}([T ]{_TIME})?"
_SHIFTED = f"{_DAY}[T ]{_TIME}{_OFFSET}"
_DAY_FORM, _FORM = re.compile(_DAY), re.compile(f"{_PLAIN}|{_SHIFTED}")


def holds_instant(field: str) -> bool:
    """Whether a field is compared as an instant."""
    return field.endswith(_ENDINGS)


def is_day(text: str) -> bool:
    """Whether a text has the form of a day without a time."""
    return bool(_DAY_FORM.fullmatch(text))


def moment(text: str) -> datetime | None:
    """The instant that a text names, in UTC without saying so; None if it names none."""
    if not _FORM.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        return found
    try:
        return found.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        # An open end at the edge of the calendar stays one.
        return datetime.max if found.year > 1 else datetime.min  # noqa: DTZ901 - UTC without saying so, as all here


def moment_sql(column: exp.Expr) -> exp.Expr:
    """The same of an expression, as a TIMESTAMP; NULL where its text names no instant.

    Args:
        column: Of any type; a cast to TIMESTAMP is taken as it is.
    """
    if isinstance(column, exp.Cast) and column.is_type(exp.DataType.Type.TIMESTAMP):
        return column.copy()

    def text() -> exp.Expr:
        return exp.cast(column.copy(), "VARCHAR", copy=False)

    def has_form(form: str) -> exp.Expr:
        return exp.RegexpLike(this=text(), expression=exp.Literal.string(rf"^({form})\z"))

    def cast(kind: str) -> exp.Expr:
        return exp.TryCast(this=text(), to=exp.DataType.build(kind), safe=True)

    # A plain cast to TIMESTAMP drops the offset without a word, so that the two forms are told apart first.
    shifted = exp.AtTimeZone(this=cast("TIMESTAMPTZ"), zone=exp.Literal.string("UTC"))
    plain = exp.If(this=has_form(_PLAIN), true=cast("TIMESTAMP"))
    return exp.Case(ifs=[plain, exp.If(this=has_form(_SHIFTED), true=shifted)])


def written_sql(instant: datetime, kind: str) -> exp.Expr:
    """A written instant as a DATE or a TIMESTAMP."""
    text = f"{instant:%Y-%m-%d}".rjust(10, "0") if kind == "DATE" else instant.isoformat(" ")
    return exp.cast(exp.Literal.string(text), kind)
