"""Which line of models a model belongs to, and its capability tier, from a dated catalogue.

One model has many spellings: a bill, a gateway and a provider each add their prefixes, dates and versions.
`canonical_model_sql` takes those away, so that a bill can meet its usage. Family and tier are read from
`catalogue/models.yml`; what it does not know is `unclassified`. The tier (frontier, standard, small) is
about capability and distinct from the service tier a call was served at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

import pyarrow as pa
from sqlglot import exp

from apportion.attribute.catalogue import check_pattern, read
from apportion.period import OPEN_END, OPEN_START
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

TIERS = ("frontier", "standard", "small")
UNCLASSIFIED = "unclassified"

_MAKERS = (
    "ai21|amazon|anthropic|cohere|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen"
    "|stability|twelvelabs|writer|xai|zai"
)
# What surrounds the name of a model, outermost first; each pattern is cut away once.
_WRAPPINGS = (
    r"^.*[/]",  # models/…, publishers/google/models/…, openai/…, an ARN up to its resource
    r"^auto: ",  # GitHub Copilot's automatic choice
    r"^(us-gov|us|eu|apac|au|ca|jp|in|sa|me|global|regional)[.]",  # the region of a Bedrock inference profile
    f"^({_MAKERS})[.]",  # the maker of a Bedrock model
    r"^databricks-",
    r"[@:](default|latest|free|extended|thinking|beta|nitro|floor|online|exacto|batch)$",
    r"[@](20[0-9]{6}|[0-9]{3})$",  # a Vertex version
    r":[0-9]+(:[0-9]+k)?$",  # a Bedrock revision and context size
    r"-(20[0-9]{6})-v[0-9]+$",
    r"-v[01]$",
    r"-20[0-9]{6}$",
    r"-20[0-9]{2}-[01][0-9]-[0-3][0-9]$",
    r"-latest$",
)
_CLAUDE = "^claude"


@dataclass(frozen=True)
class ModelFact:
    """One line of the catalogue.

    Attributes:
        value: A family or a tier.
        match: The pattern that a canonical model id must have.
        developer: Who made the models of a family; None for a tier.
        valid_from: The first day it holds.
        valid_to: The first day it no longer holds.
    """

    value: str
    match: str
    developer: str | None
    valid_from: date
    valid_to: date


@dataclass(frozen=True)
class ModelValues:
    """What the catalogue says of a model, as expressions that are never NULL."""

    family: exp.Expr
    tier: exp.Expr
    developer: exp.Expr


@cache
def families() -> tuple[ModelFact, ...]:
    """Every known family, in the order they are tried."""
    return tuple(_facts(read("models.yml")["families"], "family"))


@cache
def tiers() -> tuple[ModelFact, ...]:
    """Every known tier, in the order they are tried."""
    return tuple(_facts(read("models.yml")["tiers"], "tier"))


def canonical_model_sql(model: exp.Expr) -> exp.Expr:
    """A model's name without what providers and gateways put around it; NULL for NULL.

    `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `claude-sonnet-4-5@20250929` and
    `anthropic/claude-sonnet-4.5` all become `claude-sonnet-4-5`.

    Args:
        model: Any spelling, as an expression.
    """
    text: exp.Expr = exp.Lower(this=exp.Trim(this=model.copy()))
    for pattern in _WRAPPINGS:
        text = _cut(text, pattern)
    text = _cut(text, r"^deepseek[.]", "deepseek-")
    text = exp.Anonymous(this="translate", expressions=[text, exp.Literal.string(" "), exp.Literal.string("-")])
    is_claude = exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(_CLAUDE))
    dashes = exp.Anonymous(
        this="translate", expressions=[text.copy(), exp.Literal.string("."), exp.Literal.string("-")]
    )
    return exp.Case().when(is_claude, dashes).else_(text)


def model_values_sql(canonical: exp.Expr, day: exp.Expr | None = None) -> ModelValues:
    """Family, tier and developer of a model.

    These are long expressions: apply them to distinct models (`write_model_values` does), not to calls.

    Args:
        canonical: What `canonical_model_sql` makes of a model; best a column.
        day: When it was called; without it, what holds after every known change.
    """
    family = _first(canonical, families(), day)
    developer = _first(canonical, families(), day, developers=True)
    tier = _first(canonical, tiers(), day)
    return ModelValues(family=family, tier=tier, developer=developer)


def write_model_values(engine: Engine, source: str, column: str = "model") -> None:
    """Create the table `model_values`, one row per model and span of days.

    Columns: model (as written), canonical_model, model_family, model_tier, developer, valid_from, valid_to
    (start in, end out). The spans of a model cover every day once, so a join on the model and the day finds
    exactly one row.

    Args:
        engine: Where the source is.
        source: A table or view.
        column: Its column with models; NULLs are left out.
    """
    engine.run("CREATE OR REPLACE TABLE model_spans (valid_from DATE, valid_to DATE)")
    engine.run(_spans_sql())
    _register(engine, _distinct(engine, source, column))
    engine.run(f"CREATE OR REPLACE TABLE model_values AS {_values_sql()}")


def add_model_values(engine: Engine, source: str, column: str = "model") -> None:
    """Add to `model_values` the models of a source that it does not have yet; make it if it is not there.

    Args:
        engine: Where the source is.
        source: A table or view.
        column: Its column with models; NULLs are left out.
    """
    if not engine.exists("model_values"):
        write_model_values(engine, source, column)
        return
    known = {str(row[0]) for row in engine.fetch("SELECT DISTINCT model FROM model_values")}
    fresh = sorted(_distinct(engine, source, column) - known)
    if fresh:
        _register(engine, fresh)
        engine.run(f"INSERT INTO model_values {_values_sql()}")


def _distinct(engine: Engine, source: str, column: str) -> set[str]:
    model = quoted(column)
    found = engine.fetch(f"SELECT DISTINCT {model} AS model FROM {quoted(source)} WHERE {model} IS NOT NULL")
    return {str(row[0]) for row in found}


def _register(engine: Engine, models: Iterable[str]) -> None:
    engine.register("models", pa.table({"model": pa.array(sorted(models), pa.string())}))


@cache
def _values_sql() -> str:
    """The query of `model_values` over `models` and `model_spans`; long, and the same for every source."""
    canonical = canonical_model_sql(exp.column("model"))
    values = model_values_sql(exp.column("canonical_model"), exp.column("valid_from"))
    spans = exp.select(
        "model",
        "canonical_model",
        exp.alias_(values.family, "model_family"),
        exp.alias_(values.tier, "model_tier"),
        exp.alias_(values.developer, "developer"),
        "valid_from",
        "valid_to",
    ).from_("named CROSS JOIN model_spans")
    named = exp.select("model", exp.alias_(canonical, "canonical_model")).from_("models")
    return spans.with_("named", as_=named).sql("duckdb")


@cache
def _spans_sql() -> str:
    rows = ", ".join(f"(DATE {literal(str(start))}, DATE {literal(str(end))})" for start, end in _spans())
    return f"INSERT INTO model_spans VALUES {rows}"


def _spans() -> list[tuple[date, date]]:
    days = {OPEN_START, OPEN_END}
    days.update(fact.valid_from for fact in (*families(), *tiers()))
    days.update(fact.valid_to for fact in (*families(), *tiers()))
    ordered = sorted(days)
    return list(pairwise(ordered))


def _first(
    canonical: exp.Expr, facts: Sequence[ModelFact], day: exp.Expr | None, *, developers: bool = False
) -> exp.Expr:
    case = exp.Case()
    for fact in facts:
        if day is None and fact.valid_to != OPEN_END:
            continue
        wanted: list[exp.Expr] = [exp.RegexpLike(this=canonical.copy(), expression=exp.Literal.string(fact.match))]
        if day is not None and fact.valid_from != OPEN_START:
            wanted.append(exp.GTE(this=day.copy(), expression=_day(fact.valid_from)))
        if day is not None and fact.valid_to != OPEN_END:
            wanted.append(exp.LT(this=day.copy(), expression=_day(fact.valid_to)))
        value = fact.developer if developers else fact.value
        case = case.when(exp.and_(*wanted), exp.Literal.string(value or UNCLASSIFIED), copy=False)
    return case.else_(exp.Literal.string(UNCLASSIFIED))


def _facts(entries: Sequence[dict[str, Any]], key: str) -> Iterator[ModelFact]:
    for entry in entries:
        if set(entry) - {key, "match", "developer", "from", "to", "why"}:
            raise ValueError(f"models.yml: unknown keys in {entry}")
        check_pattern(entry["match"])
        yield ModelFact(
            value=entry[key],
            match=entry["match"],
            developer=entry.get("developer"),
            valid_from=entry.get("from", OPEN_START),
            valid_to=entry.get("to", OPEN_END),
        )


def _cut(text: exp.Expr, pattern: str, instead: str = "") -> exp.Expr:
    return exp.RegexpReplace(this=text, expression=exp.Literal.string(pattern), replacement=exp.Literal.string(instead))


def _day(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), "DATE")
