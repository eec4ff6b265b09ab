"""One column of a usage file at a time: its right type, and what is wrong with a value.

Nothing is read here. What the files' statistics rule out is not checked row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as name_of

Convention = Literal["disjoint", "inclusive", "exclusive"]

# A count above this is a fault of the file: no call and no day's bucket comes near it.
MOST_TOKENS = 10**15
# Instants outside are faults: there was no such service yet, or a unit was mistaken.
EARLIEST, LATEST = date(2015, 1, 1), date(2100, 1, 1)

BUCKETS = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_other",
    "tool_prompt",
    "output",
)
TEXTS = (
    "billing_account_id",
    "operation",
    "service_tier",
    "region",
    "speed",
    "api_key_id",
    "user_id",
    "project",
    "workspace",
    "inference_profile",
    "deployment",
    "call_id",
)
COUNTS = (
    "input_tokens",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "tool_prompt_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
)
# What a record of the usage log says beside the columns of usage, and the column of ours for it.
LOG: Mapping[str, str] = {
    "record_id": "log_record",
    "via": "log_via",
    "state": "log_state",
    "part": "log_part",
    "outcome": "log_outcome",
    "status": "log_status",
}
# Those of them that the usage columns have, and the counts that follow from them.
LOG_TEXTS = ("log_record", "log_via", "log_state", "log_part")
LOG_COUNTS = ("estimated_calls", "estimated_tokens", "missing_calls")
# Outcomes of attempts of which the provider read nothing.
UNREACHED = ("refused_by_network", "sent_again")
FIRST_ERROR = 400
INPUTS = ("called_at", "provider", "response_model", "request_model", "processing", *TEXTS, *COUNTS, "tags")
USAGE = (
    "called_at",
    "day",
    "provider",
    "model",
    "processing",
    *TEXTS,
    "calls",
    *(f"{bucket}_tokens" for bucket in BUCKETS),
    "reasoning_tokens",
    *LOG_COUNTS,
    "source",
    *LOG_TEXTS,
)

WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "BIGINT"}
NATIVE_TIMES = {
    "TIMESTAMP": "TIMESTAMP '{}'",
    "TIMESTAMP_S": "TIMESTAMP '{}'",
    "TIMESTAMP_MS": "TIMESTAMP '{}'",
    "TIMESTAMP_NS": "TIMESTAMP_NS '{}'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '{} 00:00:00+00'",
    "DATE": "DATE '{}'",
}
_NAIVE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"
_OFFSET = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z| ?UTC|[+-]\d{2}(:?\d{2})?)"
_INTERACTIVE = ("interactive", "online", "sync", "realtime", "standard", "default", "on_demand", "false")
_BATCH = ("batch", "true")
_WORDS = ("log_via", "log_state", "log_outcome")


@dataclass(frozen=True)
class Facts:
    """What the files' statistics say of one column.

    Attributes:
        nulls: Whether a value may be missing.
        low: The smallest value, if known.
        high: The largest value, if known.
    """

    nulls: bool = True
    low: int | str | None = None
    high: int | str | None = None

    @property
    def filled(self) -> bool:
        """Whether every value is known to be there and, if text, not empty."""
        return not self.nulls and self.low not in (None, "")

    @property
    def counts(self) -> bool:
        """Whether every value is known to be a count of tokens."""
        return isinstance(self.low, int) and isinstance(self.high, int) and self.low >= 0 and self.high <= MOST_TOKENS


@dataclass(frozen=True)
class Shape:
    """What a set of like files offers.

    Attributes:
        scan: The text after FROM.
        columns: The expression for each input column that the files have or the source sets.
        types: The engine's type of each expression.
        facts: What is known of its values.
        tags: Column expressions by tag key, for tags with a column of their own.
        tag_fields: Fields of `tags`, where it is a record.
        others: Expressions of further columns that were asked for by name.
        name_sql: The file's name, as an expression.
        row_sql: The row's number in its file, as an expression.
        broken_sql: For row formats: why the row could not be read at all, else NULL.
        plain: Whether every column has the type that is meant for it, so that any engine reads it alike.
    """

    scan: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tag_fields: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    name_sql: str = "NULL::VARCHAR"
    row_sql: str = "NULL::BIGINT"
    broken_sql: str | None = None
    plain: bool = False

    @property
    def is_log(self) -> bool:
        """Whether the files are of the usage log, whose lines say how sure they are and which attempt they are of."""
        return "log_record" in self.columns

    def known(self, column: str) -> Facts:
        """The facts of a column; nothing is known of most."""
        return self.facts.get(column, Facts())


@dataclass(frozen=True)
class Wanted:
    """What the caller wants of a usage source.

    Attributes:
        source: The source's name.
        tokens: The token convention, if the source declares one.
        tag_columns: The output column of each tag key.
        other_columns: Further columns of the files, by name.
        thresholds: Input token counts, ascending, at which prices change for the whole request.
        provider_sql: Makes a provider expression canonical.
        date_format: How the timestamps are written, if not in ISO 8601.
    """

    source: str
    tokens: Convention | None
    tag_columns: Mapping[str, str]
    other_columns: Sequence[str]
    thresholds: tuple[int, ...]
    provider_sql: Callable[[str], str]
    date_format: str | None = None


def is_instant(kind: str) -> bool:
    """Whether a type holds instants that can be filtered before they are read."""
    return kind in NATIVE_TIMES


def instant(sql: str, kind: str, date_format: str | None) -> str:
    """An expression as a TIMESTAMP in UTC; NULL where it cannot be read. Text without an offset is UTC."""
    if kind == "TIMESTAMP":
        return sql
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamp(epoch_us({sql}))"
    if kind in NATIVE_TIMES:
        return f"CAST({sql} AS TIMESTAMP)"
    if kind in WHOLE or kind == "UBIGINT":
        return _epoch(f"TRY_CAST({sql} AS BIGINT)")
    trimmed = f"upper(trim(CAST({sql} AS VARCHAR)))"
    if date_format:
        return f"CAST(try_strptime(trim(CAST({sql} AS VARCHAR)), {literal(date_format)}) AS TIMESTAMP)"
    # A plain cast to TIMESTAMP drops the offset without a word, so that the two forms are told apart first.
    return (
        f"CASE WHEN regexp_full_match({trimmed}, {literal(_NAIVE)}) THEN TRY_CAST({trimmed} AS TIMESTAMP)"
        f" WHEN regexp_full_match({trimmed}, {literal(_OFFSET)})"
        f" THEN make_timestamp(epoch_us(TRY_CAST({trimmed} AS TIMESTAMPTZ)))"
        f" WHEN regexp_full_match({trimmed}, '[0-9]{{9,19}}')"
        f" THEN {_epoch(f'TRY_CAST({trimmed} AS BIGINT)')} END"
    )


def _epoch(sql: str) -> str:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their size."""
    return (
        f"make_timestamp(CASE WHEN {sql} < 100000000000 THEN {sql} * 1000000"
        f" WHEN {sql} < 100000000000000 THEN {sql} * 1000 WHEN {sql} < 100000000000000000 THEN {sql}"
        f" ELSE {sql} // 1000 END)"
    )


def typed(shape: Shape, want: Wanted) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The innermost columns, each with its right type, and the faults that show in one column alone."""
    out: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    if shape.broken_sql:
        out["broken"] = shape.broken_sql
        faults.append(("broken IS NOT NULL", "broken"))
    moment, kind = shape.columns["called_at"], shape.types["called_at"]
    out["called_at"] = instant(moment, kind, want.date_format)
    out["raw_time"] = f"CAST({moment} AS VARCHAR)"
    known = shape.known("called_at")
    if known.nulls or not is_instant(kind):
        faults.append(("called_at IS NULL AND COALESCE(raw_time, '') = ''", literal("no timestamp")))
        faults.append(("called_at IS NULL", literal("unreadable timestamp")))
    if not (isinstance(known.low, int) and isinstance(known.high, int)):
        early, late = f"TIMESTAMP '{EARLIEST}'", f"TIMESTAMP '{LATEST}'"
        faults.append((f"called_at < {early} OR called_at >= {late}", literal("timestamp before 2015 or after 2099")))
    out["provider"] = want.provider_sql(_text(shape, "provider"))
    out["raw_provider"] = _text(shape, "provider")
    if not shape.known("provider").filled:
        faults.append(("raw_provider IS NULL", literal("no provider")))
    models = [_text(shape, name) for name in ("response_model", "request_model") if name in shape.columns]
    out["model"] = f"COALESCE({', '.join(models)})" if models else "NULL::VARCHAR"
    out["processing"] = _processing(shape)
    out |= {name: _text(shape, name) for name in TEXTS}
    out |= {name: _log_value(shape, name) for name in LOG.values()}
    for name in COUNTS:
        sql, bad = _count(shape, name)
        out[f"x_{name}"] = sql
        if bad:
            out[f"bad_{name}"] = bad
            faults.append((f"bad_{name}", literal(f"{name} is not a whole number")))
        if name in shape.columns and not shape.known(name).counts:
            faults.append((f"x_{name} < 0", literal(f"{name} is negative")))
            faults.append((f"x_{name} > {MOST_TOKENS}", literal(f"{name} is above 10^15")))
    present = [name for name in COUNTS if name in shape.columns and name != "reasoning_tokens"]
    if present and all(shape.known(name).nulls for name in present):
        values = ", ".join(f"x_{name}" for name in present)
        faults.append((f"COALESCE({values}) IS NULL", literal("no token counts")))
    _tags(shape, want, out, faults)
    out |= {name_of(name): shape.others.get(name, "NULL::VARCHAR") for name in want.other_columns}
    out["source_file"], out["source_row"] = shape.name_sql, shape.row_sql
    out["excerpt"] = _excerpt(shape)
    return out, faults


def _excerpt(shape: Shape) -> str:
    """What the file says of time, model and counts: its other columns may hold text."""
    shown = ("called_at", "provider", "response_model", *COUNTS)
    parts = [f"'{name}=' || CAST({shape.columns[name]} AS VARCHAR)" for name in shown if name in shape.columns]
    return f"left(concat_ws(' ', {', '.join(parts)}), 200)"


def _text(shape: Shape, name: str) -> str:
    if name not in shape.columns:
        return "NULL::VARCHAR"
    sql = shape.columns[name]
    if shape.types[name] != "VARCHAR":
        return f"CAST({sql} AS VARCHAR)"
    return sql if shape.known(name).low not in (None, "") else f"NULLIF({sql}, '')"


def _log_value(shape: Shape, name: str) -> str:
    """What the usage log says beside; nothing in any other file, whatever its columns are called."""
    if name in ("log_part", "log_status"):
        return f"TRY_CAST({shape.columns[name]} AS BIGINT)" if name in shape.columns else "NULL::BIGINT"
    return f"lower({_text(shape, name)})" if name in _WORDS and name in shape.columns else _text(shape, name)


def _processing(shape: Shape) -> str:
    if "processing" not in shape.columns:
        return "NULL::VARCHAR"
    sql = f"lower({_text(shape, 'processing')})"
    batch, none = (", ".join(literal(word) for word in words) for words in (_BATCH, _INTERACTIVE))
    return f"CASE WHEN {sql} IN ({batch}) THEN 'batch' WHEN {sql} IN ({none}) THEN NULL ELSE {sql} END"


def _count(shape: Shape, name: str) -> tuple[str, str | None]:
    """A count as BIGINT, NULL where missing, and the condition that its text is no whole number."""
    if name not in shape.columns:
        return "NULL::BIGINT", None
    sql, kind = shape.columns[name], shape.types[name]
    if kind in WHOLE:
        return (sql if kind == "BIGINT" else f"CAST({sql} AS BIGINT)"), None
    if kind == "VARCHAR":
        number = (
            f"CASE WHEN regexp_full_match(trim({sql}), '[+-]?[0-9]{{1,18}}(\\.0*)?')"
            f" THEN TRY_CAST(trim({sql}) AS BIGINT) END"
        )
        return number, f"trim({sql}) <> '' AND {number} IS NULL"
    if kind in ("DOUBLE", "FLOAT"):
        # NaN and the infinities are no numbers here; the bound comes first because a cast beyond it fails.
        number = f"CASE WHEN isfinite({sql}) AND {sql} = floor({sql}) THEN TRY_CAST({sql} AS BIGINT) END"
        return number, f"{sql} IS NOT NULL AND {number} IS NULL"
    if kind.startswith("DECIMAL"):
        number = f"CASE WHEN {sql} = floor({sql}) THEN TRY_CAST({sql} AS BIGINT) END"
        return number, f"{sql} IS NOT NULL AND {number} IS NULL"
    number = f"TRY_CAST({sql} AS BIGINT)"
    return number, f"{sql} IS NOT NULL AND {number} IS NULL"


def _tags(shape: Shape, want: Wanted, out: dict[str, str], faults: list[tuple[str, str]]) -> None:
    """Each asked tag from its own column, else from the file's tags."""
    sql, kind = shape.columns.get("tags"), shape.types.get("tags", "")
    inner: dict[str, str] = {}
    if sql and want.tag_columns and kind in ("VARCHAR", "JSON"):
        paths = ", ".join(literal(pointer(key)) for key in want.tag_columns)
        out["tag_values"] = f"TRY(json_extract_string({sql}, [{paths}]))"
        out["raw_tags"] = f"CAST({sql} AS VARCHAR)"
        faults.append(
            (
                "COALESCE(raw_tags, '') <> '' AND left(trim(raw_tags), 1) <> '{'",
                literal("tags are not a JSON object"),
            )
        )
        faults.append(("COALESCE(raw_tags, '') <> '' AND tag_values IS NULL", literal("tags are not a JSON object")))
    elif sql and kind.startswith("MAP"):
        inner = {key: f"CAST({sql}[{literal(key)}] AS VARCHAR)" for key in want.tag_columns}
    elif sql and kind.startswith("STRUCT"):
        inner = {
            key: f"CAST(struct_extract({sql}, {literal(key)}) AS VARCHAR)"
            for key in want.tag_columns
            if key in shape.tag_fields
        }
    for key, name in want.tag_columns.items():
        # A tag's own column wins, unless it is a column of usage, such as the provider's own project.
        places = (inner.get(key), shape.tags.get(key)) if key in TEXTS else (shape.tags.get(key), inner.get(key))
        found = [f"NULLIF({part}, '')" for part in places if part]
        out[name_of(name)] = f"COALESCE({', '.join(found)})" if found else "NULL::VARCHAR"


def pointer(key: str) -> str:
    """A JSON pointer, which takes any key, quotes and dots among them."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
