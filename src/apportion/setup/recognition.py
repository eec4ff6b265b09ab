"""What a file is, told from its columns by the product's own knowledge of its inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from apportion.focus import DATE_FORMAT, NUMBER_FORMAT, TABLES, fold
from apportion.money import is_currency
from apportion.normalize import exports, usage_exports
from apportion.normalize.usage_columns import COUNTS, TEXTS
from apportion.numerals import NumberForm
from apportion.setup.dates import form_of
from apportion.setup.sample import Sample
from apportion.setup.words import USUAL, dimension_of

# Calls in no known export's form.
PLAIN_USAGE = "usage"
# What only a guess gives: it stands in `assumed`, where the reader finds it.
UNKNOWN_PROVIDER = "unknown"
_FOCUS_ENOUGH = 5
_DOTS = "1.234,56"
# Tried in this order; the first that reads every number is meant.
_NUMBER_FORMS = ("1234,56", _DOTS, "1 234,56", "1,234.56", "1'234.56")
_LONGEST_KEY = 200
_TABLES = {
    "charges": "a bill",
    "usage": "usage",
    "meters": "a meter",
    "seats": "seats",
    "roster": "a roster",
    "invoices": "printed invoices",
    "fx": "exchange rates",
    "codes": "cost centres",
}
# What a file must give to be read as such, over what the reader demands.
_NEEDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "charges": (("billed_cost",), ("billing_currency",), ("charge_period_start", "billing_period_start")),
    "usage": (("called_at",), ("provider",), tuple(name for name in COUNTS if name != "reasoning_tokens")),
    "meters": (("quantity",), ("day",)),
    "seats": (("assigned_to", "seat_id"), ("price", "last_active_at")),
    "roster": (("person",), ("team",)),
    "invoices": (("issuer",), ("currency",), ("total",)),
    "fx": (("currency",), ("rate",)),
    "codes": (("code",), ("gl_account",)),
}
_MEASURE = re.compile(
    r"(hours?|seconds?|uptime|minutes?|usage|used|consumed|requests?|tokens?|revenue)$", re.IGNORECASE
)
_MONEY_WORDS = frozenset({"amount", "value", "total", "cost", "price"})
_EARNED = ("revenue", "sales", "turnover", "income")
_TAG_COLUMN = re.compile(r"(?i)(?:resource_?tags?[/_](?:user[:_])?)(?P<key>.+)|(?P<other>cost_?cent(?:er|re))")
_NAMES_OF_KEYS = re.compile(r"(^|_)(id|key|name|team|feature|product|customer|project|code|cent(er|re)|service)$")


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes:
        table: What it holds: charges, usage, meters, roster, lookup, codes, seats, invoices or fx.
        what: For people.
        columns: The file's columns by ours, where the names alone do not tell.
        constants: Columns that it lacks, with a value for every row.
        tokens: The token convention of usage, where the form says it.
        assumed: What of the constants is a guess, in sentences.
        lacks: What the file does not say and nobody can guess; it is not read before somebody writes it.
        unit: Of a meter.
    """

    table: str
    what: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    tokens: str | None = None
    assumed: tuple[str, ...] = ()
    unit: str | None = None
    lacks: str = ""


@dataclass(frozen=True)
class Unknown:
    """A file that is no input as it is.

    Attributes:
        reason: The nearest thing that it could be, and what is missing for that.
    """

    reason: str


def recognise(sample: Sample, name: str, currency: str = "USD") -> Recognised | Unknown:
    """What a file is, and how to read it.

    Args:
        sample: Its first records.
        name: Of the file.
        currency: Taken for a bill that names none.
    """
    found = _bill(sample, name, currency) or _usage(sample, name) or _other(sample, name, currency)
    if found is None:
        return Unknown(_nearest(sample))
    return _numbered(_dated(found, sample), sample)


def _bill(sample: Sample, name: str, currency: str) -> Recognised | None:
    own = TABLES["charges"].find(sample.header)
    if "billed_cost" in own and len(own) >= _FOCUS_ENOUGH:
        return _with_currency(Recognised("charges", "a FOCUS bill"), own, currency)
    if export := exports.recognise(sample.header):
        columns, constants = exports.mapped(export, sample.header, own)
        columns = {**columns, **_columns_of_tags(sample)}
        return _with_currency(Recognised("charges", export.name, columns, constants), {**own, **columns}, currency)
    return _vendor_bill(sample, name, currency)


def _columns_of_tags(sample: Sample) -> Mapping[str, str]:
    """Columns that an export has for a tag each, under names that are free for a project's own."""
    found: dict[str, str] = {}
    for name in sample.header:
        tag = _TAG_COLUMN.fullmatch(name)
        meant = dimension_of(tag["key"] or tag["other"]) if tag else None
        if meant in USUAL and sample.column(name):
            found.setdefault(f"x_{meant}", name)
    return found


def _with_currency(found: Recognised, have: Mapping[str, str], currency: str) -> Recognised:
    if "billing_currency" in have:
        return found
    said = f"the file names no currency; {currency} is taken"
    return replace(found, constants={**found.constants, "billing_currency": currency}, assumed=(*found.assumed, said))


def _vendor_bill(sample: Sample, name: str, currency: str) -> Recognised | None:
    """A vendor's own list of charges: what was sold, on which day, and an amount."""
    spelled = {fold(each): each for each in reversed(sample.header)}
    money = exports.money_column(sample.header)
    service = next((spelled[each] for each in ("product", "service", "sku") if each in spelled), None)
    day = next((spelled[each] for each in ("date", "usagedate", "day", "timestamp") if each in spelled), None)
    if not (money and service and day and "quantity" in spelled):
        return None
    columns = {"billed_cost": money, "charge_period_start": day, "service_name": service}
    columns |= {"sku_id": spelled["sku"]} if service != spelled.get("sku") and "sku" in spelled else {}
    columns |= {"consumed_quantity": spelled["quantity"]}
    columns |= {"billing_currency": spelled["currency"]} if "currency" in spelled else {}
    constants: dict[str, str] = {}
    said: tuple[str, ...] = ()
    if provider := _provider_named(name, sample.column(service)):
        constants = {"provider_name": provider}
        said = (f"the provider {provider} is told from its name and products",)
    return _with_currency(Recognised("charges", "a vendor's bill", columns, constants, assumed=said), columns, currency)


def _provider_named(name: str, products: list[str]) -> str | None:
    text = " ".join([PurePath(name).name, *products[:20]]).lower()
    known = {"copilot": "GitHub", "github": "GitHub", "cursor": "Cursor", "openai": "OpenAI", "anthropic": "Anthropic"}
    return next((provider for word, provider in known.items() if word in text), None)


def _usage(sample: Sample, name: str) -> Recognised | None:
    found: Mapping[str, str] = TABLES["usage"].find(sample.header)
    form = usage_exports.recognise(sample.header)
    columns, constants = usage_exports.mapped(form, sample.header) if form else ({}, {})
    have = {*found, *columns, *constants}
    tokens = [each for each in COUNTS if each in have and each not in {"reasoning_tokens", "requests"}]
    undated = "called_at" not in have
    if not (tokens or form) or (undated and len(tokens) < 2):  # noqa: PLR2004 - tokens in and tokens out
        return None
    made = Recognised("usage", form.name if form else PLAIN_USAGE, columns, constants, form.tokens if form else None)
    if undated:
        said = "the file names no day of its calls: write it in place of DAY, as 2026-11-01"
        made = replace(made, constants={**constants, "called_at": "DAY"}, lacks=said)
    if "provider" in have:
        return made
    provider = _caller_named(name, sample)
    said = f"the file names no provider; {provider!r} is taken"
    return replace(made, constants={**constants, "provider": provider}, assumed=(said,))


def _caller_named(name: str, sample: Sample) -> str:
    """The provider that the file's name or its models speak of."""
    models = sample.column("model") or sample.column("response_model")
    text = " ".join([PurePath(name).name, *models[:20]]).lower()
    known = {
        "bedrock": "aws.bedrock",
        "vertex": "gcp.vertex_ai",
        "azure": "azure.ai.openai",
        "openai": "openai",
        "anthropic": "anthropic",
        "gemini": "gcp.gemini",
        "mistral": "mistral_ai",
        "gpt-": "openai",
        "claude": "anthropic",
    }
    return next((provider for word, provider in known.items() if word in text), UNKNOWN_PROVIDER)


def _other(sample: Sample, name: str, currency: str) -> Recognised | None:
    for table in ("codes", "seats", "invoices", "fx", "roster"):
        found = TABLES[table].find(sample.header)
        if all(any(each in found for each in group) for group in _NEEDS[table]) and _holds(table, sample, found):
            return Recognised(table, _TABLES[table])
    return _meter(sample, name, currency) or _keys(sample)


def _holds(table: str, sample: Sample, found: Mapping[str, str]) -> bool:
    """Whether the values are of the kind that the names promise."""
    if table in {"invoices", "fx"}:
        return all(is_currency(value.strip().upper()) for value in sample.column(found["currency"]))
    if table == "roster":
        # A list of measurements may name people and teams too; a roster measures nothing.
        return not {"quantity", "capacity"} & set(TABLES["meters"].find(sample.header)) and not _numbers(sample)
    return True


def _numbers(sample: Sample) -> list[str]:
    """Columns of the file that measure something, by their names and values."""
    return [
        name
        for name in sample.header
        if _MEASURE.search(name) and (values := sample.column(name)) and all(_is_number(value) for value in values)
    ]


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text))


def _meter(sample: Sample, name: str, currency: str) -> Recognised | None:
    found = TABLES["meters"].find(sample.header)
    stem = PurePath(name).name.partition(".")[0]
    columns: dict[str, str] = {}
    quantity = found.get("quantity")
    if quantity is None or not all(_is_number(value) for value in sample.column(quantity)):
        measured = [each for each in _numbers(sample) if each not in found.values()]
        quantity = next((each for each in measured if fold(each) == fold(stem)), measured[0] if measured else None)
        if quantity is None or ("item" not in found and fold(quantity) != fold(stem)):
            return None
        columns["quantity"] = quantity
    if "day" not in found or (fold(quantity) in _MONEY_WORDS and not {"item", "capacity"} & set(found)):
        # A list of amounts by day without what they are of is a bill or a card statement, not a measurement.
        return None
    return Recognised("meters", "a meter", columns, unit=_unit(stem, quantity, sample, currency))


def _unit(stem: str, quantity: str, sample: Sample, currency: str) -> str:
    said = set(sample.column(TABLES["meters"].find(sample.header).get("unit", "unit")))
    if len(said) == 1:
        return said.pop()
    text = f"{stem} {quantity}".lower()
    if any(word in text for word in _EARNED):
        return currency
    for word, unit in (("gpu_hour", "GPU-Hours"), ("gpu-hour", "GPU-Hours"), ("hour", "Hours"), ("uptime", "Seconds"),
                       ("second", "Seconds"), ("token", "Tokens"), ("request", "Requests")):  # fmt: skip
        if word in text:
            return unit
    return "Units"


def _keys(sample: Sample) -> Recognised | None:
    """A table whose first column tells its rows apart by something that a call, a charge or a person may carry."""
    if len(sample.header) < 2 or not sample.rows or len(sample.header) > len(TEXTS):  # noqa: PLR2004 - a key and a value
        return None
    first = sample.header[0]
    keys = sample.column(first)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", first).lower().replace(" ", "_")
    if len(keys) < len(sample.rows) or not (TABLES["usage"].named(first) in TEXTS or _NAMES_OF_KEYS.search(snake)):
        return None
    short = all(len(value) <= _LONGEST_KEY for row in sample.rows for value in row if value)
    dated = "valid_from" in TABLES["lookup"].find(sample.header)
    return Recognised("lookup", "a look-up") if short and (dated or len(set(keys)) == len(keys)) else None


def _dated(found: Recognised, sample: Sample) -> Recognised:
    """The same with the form of its days, where that must be said."""
    table = TABLES[found.table]
    have = {**table.find(sample.header), **found.columns}
    kinds = {"timestamp", "date"}
    spelled = [
        have[column.name]
        for column in table.columns
        if column.name in have and (column.kind in kinds or column.name == "period")
    ]
    values = [value for name in spelled for value in sample.column(name) if value.upper() != "NULL"]
    form = form_of(values)
    if form.pattern is None:
        return found
    said = (f"days such as {values[0]} are read as {form.pattern}",) if form.doubtful else ()
    constants = {**found.constants, DATE_FORMAT: form.pattern}
    return replace(found, constants=constants, assumed=(*found.assumed, *said))


def _numbered(found: Recognised, sample: Sample) -> Recognised:
    """The same with the form of its numbers, where that must be said; counts of calls are whole and need none."""
    if found.table == "usage":
        return found
    table = TABLES[found.table]
    have = {**table.find(sample.header), **found.columns}
    spelled = [have[column.name] for column in table.columns if column.name in have and column.kind == "decimal"]
    values = {value.strip() for name in spelled for value in sample.column(name) if value.strip().upper() != "NULL"}
    odd = sorted(value for value in values if not _is_number(value))
    example = next((each for each in _NUMBER_FORMS if odd and all(_reads(each, value) for value in values)), None)
    said: tuple[str, ...] = ()
    grouped = sorted(value for value in values if "." in value)
    if not odd and grouped and all(_reads(_DOTS, value) for value in values) and _is_dotted(found):
        # 1.234 is a thousand and more where days are written 30.09.2026, and 1,234 nearly everywhere else.
        example = _DOTS
        said = (f"dots in numbers such as {grouped[0]} stand between thousands, as in {_DOTS}",)
    if example is None:
        return found
    return replace(found, constants={**found.constants, NUMBER_FORMAT: example}, assumed=(*found.assumed, *said))


def _is_dotted(found: Recognised) -> bool:
    return found.constants.get(DATE_FORMAT, "").startswith("%d.")


def _reads(example: str, value: str) -> bool:
    form = NumberForm.of(example)
    return form is not None and form.reads(value)


def _nearest(sample: Sample) -> str:
    """The table that lacks least, and what it lacks."""
    best: tuple[int, int, str, tuple[str, ...]] | None = None
    for table, groups in _NEEDS.items():
        found = TABLES[table].find(sample.header)
        missing = tuple(group[0] for group in groups if not any(each in found for each in group))
        score = (len(missing) - len(groups), len(missing), table, missing)
        best = min(best, score) if best else score
    if best is None or best[0] == 0:
        return "it is like nothing that is read; docs/inputs.md lists the columns of each input"
    if not best[3]:
        return f"nearest to {_TABLES[best[2]]}, but its values are of another kind"
    return f"nearest to {_TABLES[best[2]]}, without {' and '.join(f'`{name}`' for name in best[3])}"
