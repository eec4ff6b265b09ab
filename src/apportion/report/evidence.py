"""Evidence: what named the owner of an amount, a tag, an alias, a key or a rule, each with its part of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.money import apportion, half_up_div
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import PERSON_DIMENSION, Context
from apportion.warehouse.quoting import name as quoted

# How the project's own list of ways spells one that went through a map, an alias or a mapped key.
_MAPPED = ", mapped or by a mapped key"
_MOST_RAW = 3
_ARROW = " \N{RIGHTWARDS ARROW} "


@dataclass(frozen=True)
class Found:
    """One way in which an owner was found, and the part of its amount that came so.

    Attributes:
        pool: Whose money it is.
        owner: As a reader may see it.
        layer: Of the claim.
        words: The evidence for people: `tag team`, `tag team, serach → search`.
        minor: In minor units of the ledger currency.
    """

    pool: str
    owner: str
    layer: str
    words: str
    minor: int


Amounts = Mapping[tuple[str, str, str], int]


def evidence_of(con: DuckDBPyConnection, context: Context, period: Period, amounts: Amounts) -> list[Found]:
    """The evidence of some amounts; for each of them the parts add up to it.

    Only claims that a name led to have evidence: shared and unallocated ones have none, and are left out.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        amounts: Minor units by pool, owner as shown, and layer.
    """
    parameters = {"period": str(period), "dimension": context.owner}
    names = {
        "d": queries.shown(context, context.owner, "owner"),
        "d_via": queries.cut_by_columns(context, context.owner)["d_via"],
    }
    ways: dict[tuple[str, str, str], list[tuple[int, str, int]]] = defaultdict(list)
    for pool, owner, layer, via, words, nano in queries.run(con, "owner_ways", parameters, names):
        if (pool, owner, layer) in amounts and words:
            ways[pool, owner, layer].append((int(via), str(words), int(nano)))
    found: list[Found] = []
    for key, parts in ways.items():
        cents = _cents(amounts[key], parts, context.unit)
        for (via, words, _), minor in zip(parts, cents, strict=True):
            said = _mapped(con, context, period, owner=key[1], via=via, words=words)
            found.append(Found(*key, said, minor))
    return found


def _cents(total: int, parts: list[tuple[int, str, int]], unit: int) -> list[int]:
    nanos = [nano for _, _, nano in parts]
    try:
        return apportion(total, nanos, [f"{via:03}" for via, _, _ in parts], unit)
    except ValueError:
        # A pool that moves what another one placed has cells of both; the largest way takes the rest.
        cents = [half_up_div(nano, unit) for nano in nanos]
        cents[0] += total - sum(cents)
        return cents


def _mapped(con: DuckDBPyConnection, context: Context, period: Period, *, owner: str, via: int, words: str) -> str:
    """A way through a map in words: which values stood for the owner, where a reader may see them."""
    if not words.endswith(_MAPPED):
        return words
    base = words.removesuffix(_MAPPED)
    raws: set[str] = set()
    for column in _columns(con, base):
        if context.users == "name" or (context.owner != PERSON_DIMENSION and column not in _of_people(con)):
            raws |= _values(con, context, period, column=column, owner=owner, via=via)
    raws -= {owner}
    if not raws:
        return f"{base}, mapped"
    listed = sorted(raws)
    more = f" and {len(listed) - _MOST_RAW} more" if len(listed) > _MOST_RAW else ""
    return f"{base}, {', '.join(listed[:_MOST_RAW])}{more}{_ARROW}{owner}"


def _columns(con: DuckDBPyConnection, base: str) -> list[str]:
    """The columns of calls and charges that hold what an evidence reads, as its words name it."""
    kind, _, rest = base.partition(" ")
    if kind == "tag":
        wanted = [f"tag_{rest}"]
    elif kind == "column":
        wanted = [f"raw_{rest}"]
    elif base.startswith("virtual tag: "):
        fields = [field.split(" ", 1)[-1] for field in base.removeprefix("virtual tag: ").split(", ")]
        wanted = [f"{prefix}_{field}" for field in fields for prefix in ("raw", "tag")]
    else:
        key = base.rpartition(" by ")[2]
        wanted = [f"raw_{key}", f"tag_{key}"]
    return [
        column
        for column in wanted
        if any(queries.has_column(con, table, column) for table in ("usage_cells", "charges"))
    ]


def _of_people(con: DuckDBPyConnection) -> set[str]:
    rows = con.execute(
        "SELECT evidence FROM dimension_ways WHERE dimension = $user", {"user": PERSON_DIMENSION}
    ).fetchall()
    said = [str(row[0]) for row in rows if not str(row[0]).endswith(_MAPPED)]
    return {column for base in said for column in _columns(con, base)} | {"raw_user_id"}


def _values(
    con: DuckDBPyConnection, context: Context, period: Period, *, column: str, owner: str, via: int
) -> set[str]:
    found: set[str] = set()
    asked = {"owner": owner, "via": via, "start": period.start, "end": period.end}
    for table in ("usage_cells", "charges"):
        if queries.has_column(con, table, column):
            rows = con.execute(
                f"SELECT DISTINCT {quoted(column)} FROM {table} WHERE {quoted(context.owner)} = $owner"
                f" AND {quoted(context.owner + '_via')} = $via AND day >= $start AND day < $end"
                f" AND {quoted(column)} <> '' ORDER BY 1 LIMIT 20",
                asked,
            ).fetchall()
            found |= {str(row[0]) for row in rows}
    return found


def in_words(found: Iterable[tuple[str, str]]) -> str:
    """Evidence with its amounts on one line: `tag team 1,204.10 · keys: team by api_key_id 225.07`."""
    return " \N{MIDDLE DOT} ".join(f"{words} {amount}" for words, amount in found)
