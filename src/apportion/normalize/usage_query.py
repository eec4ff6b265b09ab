"""The one query that makes the usage columns of a shape of files.

`canonical` yields the usage columns, the asked tags, the context bracket and, for a row that cannot be used,
the reason.

Token conventions after the providers' own documentation (read 2026-11-23): OpenTelemetry GenAI counts cached
tokens inside the input, Anthropic's wire format beside it; reasoning is always among the output tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from apportion.normalize.usage_columns import (
    BUCKETS,
    EARLIEST,
    FIRST_ERROR,
    LATEST,
    LOG_COUNTS,
    LOG_TEXTS,
    MOST_TOKENS,
    NATIVE_TIMES,
    TEXTS,
    UNREACHED,
    Shape,
    Wanted,
    typed,
)
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as name_of

_ZERO = "0::BIGINT"


def canonical(shape: Shape, want: Wanted, *, where: str | None = None) -> str:
    """The query that yields the usage columns from files of one shape.

    Beside the columns of `USAGE` it yields the tag columns, the other columns asked for, `context_bracket`,
    `fault`, `source_file`, `source_row` and `excerpt`. Token counts of faulty rows are 0.

    Args:
        shape: Of the files.
        want: By the source and the caller.
        where: A condition on the raw columns.
    """
    inner, faults = typed(shape, want)
    counted, more = _buckets(shape, want)
    faults += more
    fault = _fault(faults)
    raw = ",\n    ".join(f"{sql} AS {name}" for name, sql in inner.items())
    middle = ",\n    ".join(f"{sql} AS {name}" for name, sql in counted.items())
    final = ",\n  ".join(_final(shape, want, guarded=bool(faults)))
    return (
        f"SELECT {final}\nFROM (SELECT *,\n    {fault} AS fault\n  FROM (SELECT *,\n    {middle}\n  FROM ("
        f"SELECT\n    {raw}\n  FROM {shape.scan}{f' WHERE {where}' if where else ''})))"
    )


def output_columns(want: Wanted) -> list[str]:
    """The columns of `canonical`, in order, whatever the shape."""
    counts = ("calls", *(f"{bucket}_tokens" for bucket in BUCKETS), "reasoning_tokens", *LOG_COUNTS)
    own = ["called_at", "day", "provider", "model", "processing", *TEXTS, *counts, "source", *LOG_TEXTS]
    asked = [*want.other_columns, *want.tag_columns.values()]
    return [*own, *asked, "context_bracket", "fault", "source_file", "source_row", "excerpt"]


def absent(shape: Shape, want: Wanted) -> frozenset[str]:
    """The columns of `canonical` that are NULL in every row, or counts that are 0: nothing is folded by them.

    Args:
        shape: Of the files.
        want: By the source and the caller.
    """
    inner, faults = typed(shape, want)
    counted, more = _buckets(shape, want)
    nothing = {name for name, sql in inner.items() if sql == "NULL::VARCHAR"}
    plain = {"provider", "model", "processing", *TEXTS}
    found = {name for name in plain if name in nothing}
    found |= {name for name in want.other_columns if name_of(name) in nothing}
    found |= {
        name
        for place, name in enumerate(want.tag_columns.values(), start=1)
        if name_of(name) in nothing and not _listed(shape, place)
    }
    found |= {name for name in (f"{bucket}_tokens" for bucket in BUCKETS) if counted[f"n_{name}"] == _ZERO}
    found |= {"reasoning_tokens"} - set(shape.columns)
    found |= set() if shape.is_log else {*LOG_COUNTS, *LOG_TEXTS}
    return frozenset(found if faults or more else found | {"fault"})


def in_span(shape: Shape, start: date, end: date, *, odd: bool) -> str:
    """The condition that a row's instant lies in some days, on the raw column so that files can be skipped.

    Args:
        shape: Of files with native instants.
        start: The first day.
        end: The day after the last one.
        odd: Also take the rows that have no usable instant, so that they are seen once.
    """
    column, form = shape.columns["called_at"], NATIVE_TIMES[shape.types["called_at"]]
    within = f"{column} >= {form.format(start)} AND {column} < {form.format(end)}"
    if not odd:
        return within
    return f"({within}) OR {out_of_range(shape)}"


def out_of_range(shape: Shape) -> str:
    """The condition that a row's instant is missing or impossible."""
    column, form = shape.columns["called_at"], NATIVE_TIMES[shape.types["called_at"]]
    early, late = form.format(EARLIEST), form.format(LATEST)
    return f"{column} IS NULL OR {column} < {early} OR {column} >= {late}"


def _buckets(shape: Shape, want: Wanted) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The disjoint token buckets from the file's counts, and the faults that show between counts."""

    def number(name: str) -> str:
        if name not in shape.columns:
            return _ZERO
        if shape.known(name).counts:
            return f"COALESCE(x_{name}, 0)" if shape.known(name).nulls else f"x_{name}"
        # A faulty count must not make a sum overflow, which would stop the whole read.
        return f"(CASE WHEN x_{name} BETWEEN 0 AND {MOST_TOKENS} THEN x_{name} ELSE 0 END)"

    def total(names: Sequence[str]) -> str:
        here = [number(name) for name in names if name in shape.columns]
        return " + ".join(here) if here else _ZERO

    faults: list[tuple[str, str]] = []
    apart = ("cache_write_5m_tokens", "cache_write_1h_tokens", "cache_write_other_tokens")
    disjoint = want.tokens == "disjoint"
    told = [name for name in apart if name in shape.columns]
    out = {f"n_{name}": number(name) for name in ("cache_read_tokens", *apart[:2], "tool_prompt_tokens")}
    if "cache_write_tokens" not in shape.columns:
        writes, other = total(apart), number(apart[2])
    elif disjoint or not told:
        writes = total(("cache_write_tokens", *apart))
        other = total(("cache_write_tokens", apart[2]))
    else:
        # Anthropic gives the sum beside its parts (held on 310 of 310 recorded calls, read 2026-11-23).
        sum_sql = f"(CASE WHEN x_cache_write_tokens IS NULL THEN {total(apart)} ELSE x_cache_write_tokens END)"
        writes, other = sum_sql, f"{sum_sql} - ({total(apart[:2])})"
        faults.append((f"{sum_sql} < {total(apart)}", literal("cache writes are more than their sum")))
    out["n_cache_write_other_tokens"] = other
    cached = f"({total(('cache_read_tokens',))} + {writes})"
    whole = number("input_tokens")
    derived = whole if want.tokens in ("disjoint", "exclusive") else f"{whole} - {cached}"
    if "uncached_input_tokens" not in shape.columns:
        uncached = derived
    elif "input_tokens" not in shape.columns or not shape.known("uncached_input_tokens").nulls:
        uncached = number("uncached_input_tokens")
    else:
        uncached = f"COALESCE(x_uncached_input_tokens, {derived})"
    if uncached != number("uncached_input_tokens") and derived != whole:
        faults.append((f"{uncached} < 0", literal("cached tokens are more than the input")))
    out["n_uncached_input_tokens"] = uncached
    out["n_output_tokens"] = number("output_tokens")
    out["n_calls"] = "1::BIGINT" if "requests" not in shape.columns else "COALESCE(x_requests, 1)"
    # Where the file counts cached tokens inside the input, the input is the context and needs no sum.
    inside = "uncached_input_tokens" not in shape.columns and derived != whole
    context = whole if inside else f"{uncached} + {cached}"
    tools = f" + {number('tool_prompt_tokens')}" if "tool_prompt_tokens" in shape.columns else ""
    out["n_context"] = context + tools
    return out, faults


def _fault(faults: Sequence[tuple[str, str]]) -> str:
    if not faults:
        return "NULL::VARCHAR"
    reasons = " ".join(f"WHEN {condition} THEN {reason}" for condition, reason in faults)
    return f"CASE {reasons} END"


def _final(shape: Shape, want: Wanted, *, guarded: bool) -> list[str]:
    """The output columns in order; counts of faulty rows are 0."""

    def safe(sql: str) -> str:
        return f"CASE WHEN fault IS NULL THEN {sql} ELSE 0::BIGINT END" if guarded else sql

    parts = ["called_at", "CAST(called_at AS DATE) AS day", "provider", "model", "processing", *TEXTS]
    calls, tokens = _weighing_calls(shape), " + ".join(f"n_{bucket}_tokens" for bucket in BUCKETS)
    parts.append(f"{safe(calls)} AS calls")
    for bucket in BUCKETS:
        sql = f"n_{bucket}_tokens"
        parts.append(f"{safe(sql)} AS {bucket}_tokens")
    reasoning = "COALESCE(x_reasoning_tokens, 0)" if "reasoning_tokens" in shape.columns else _ZERO
    parts.append(f"{safe(reasoning)} AS reasoning_tokens")
    for name, state, sql in zip(LOG_COUNTS, ("estimated", "estimated", "missing"), (calls, tokens, calls), strict=True):
        doubtful = safe(f"CASE WHEN log_state = {literal(state)} THEN {sql} ELSE 0 END") if shape.is_log else _ZERO
        parts.append(f"{doubtful} AS {name}")
    parts.append(f"{literal(want.source)} AS source")
    parts += LOG_TEXTS
    parts += [name_of(name) for name in want.other_columns]
    for place, name in enumerate(want.tag_columns.values(), start=1):
        listed = _listed(shape, place)
        parts.append(f"COALESCE({_in_order(want, name, listed)}) AS {name_of(name)}" if listed else name_of(name))
    parts += [
        f"{_bracket(shape, want.thresholds)} AS context_bracket",
        "fault",
        "source_file",
        "source_row",
        "excerpt",
    ]
    return parts


def _weighing_calls(shape: Shape) -> str:
    """How many calls a row stands for; an attempt that the provider never read, or refused unread, is none."""
    if not shape.is_log:
        return "n_calls"
    unreached = ", ".join(literal(outcome) for outcome in UNREACHED)
    used = " + ".join(f"n_{bucket}_tokens" for bucket in BUCKETS)
    return (
        f"CASE WHEN log_outcome IN ({unreached}) THEN 0"
        f" WHEN log_status >= {FIRST_ERROR} AND {used} = 0 THEN 0 ELSE n_calls END"
    )


def _in_order(want: Wanted, name: str, listed: str) -> str:
    """A tag's own column wins, unless it is a column of usage, such as the provider's own project."""
    key = next(key for key, column in want.tag_columns.items() if column == name)
    return f"{listed}, {name_of(name)}" if key in TEXTS else f"{name_of(name)}, {listed}"


def _listed(shape: Shape, place: int) -> str | None:
    """The asked tag among those read from a JSON text of tags."""
    if "tags" in shape.columns and shape.types["tags"] in ("VARCHAR", "JSON"):
        return f"NULLIF(tag_values[{place}], '')"
    return None


def _bracket(shape: Shape, thresholds: Sequence[int]) -> str:
    """How many thresholds the call's input exceeds; a row of several calls counts as their mean."""
    if not thresholds:
        return "0::TINYINT"
    several = " * CAST(n_calls AS HUGEINT)" if "requests" in shape.columns else ""
    if several and shape.is_log:
        # The further parts of a call count no call of their own.
        several = " * CAST(GREATEST(n_calls, 1) AS HUGEINT)"
    bounds = [f"{limit}{several}" for limit in thresholds]
    steps = " ".join(f"WHEN n_context <= {bound} THEN {step}" for step, bound in enumerate(bounds))
    return f"CAST(CASE {steps} ELSE {len(thresholds)} END AS TINYINT)"
