"""The kinds of values that a user writes: names, exact numbers, days, owners and conditions.

Every value arrives as the text of the file. A value that is refused raises a `PydanticCustomError` whose type
is the slug of the problem; `load` gives it its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from apportion.config.expressions import Condition, ConditionError, parse
from apportion.period import OPEN_END, OPEN_START

POOL = "pool:"

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_. -]*$"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def refusal(slug: str, message: str, cure: str = "", **more: Any) -> PydanticCustomError:
    """What a validator raises: a problem without its place.

    Args:
        slug: The kind of problem.
        message: What is wrong.
        cure: What to write.
        more: What `load` makes use of: the words that are `allowed`, or the `column` within the text.
    """
    # The slug is a value of this product's own list, which pydantic's type wants as a literal.
    kind: Any = slug
    return PydanticCustomError(kind, "{message}", {"message": message, "cure": cure, **more})


def choice(key: str, policy: str, words: tuple[str, ...]) -> Callable[[Any], Any]:
    """A validator for a setting that is one of some words, or a mapping with one key.

    Args:
        key: The one key of the mapping.
        policy: The policy that the mapping stands for.
        words: The words that may be written.
    """
    shown = " or ".join([*(f"`{word}`" for word in words), f"`{{{key}: NAME}}`"])

    def normalise(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return {"policy": value}
        if isinstance(value, str) or value == {}:
            what = f"`{value}` is no choice here" if value else "Nothing is chosen here"
            raise refusal("unknown-choice", f"{what}.", f"Write {shown}.", allowed=list(words))
        if isinstance(value, dict) and "policy" not in value:
            return {"policy": policy, **value}
        return value

    return normalise


class Written(BaseModel):
    """Something that a user wrote: it never changes, and a key that it does not know is refused by name."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _name_allowed_keys(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell with an unknown key which keys there are, so that the nearest can be named."""
        try:
            return handler(value)
        except ValidationError as error:
            allowed = [field.alias or name for name, field in cls.model_fields.items()]
            details = [_detail(line, allowed) for line in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, details, hide_input=True) from None


def _detail(line: Any, allowed: list[str]) -> InitErrorDetails:
    kind, context = line["type"], line.get("ctx", {})
    if kind == "extra_forbidden" and len(line["loc"]) == 1:
        made: Any = PydanticCustomError("unknown-key", "unknown key", {"allowed": allowed})
    elif "-" in kind:
        made = PydanticCustomError(kind, "{message}", context)
    else:
        return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=context)
    return InitErrorDetails(type=made, loc=line["loc"], input=line["input"])


def _number(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, str | float):
        cure = "Write digits with a point, such as 1234.50."
        raise refusal("not-a-number", f"`{value}` is not a number.", cure)
    return value


def _day(value: Any) -> Any:
    if isinstance(value, date) or not isinstance(value, str):
        return value
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise refusal("not-a-date", f"`{value}` is not a day.", "Write year-month-day, such as 2026-11-01.")


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d{1,9}", value, re.ASCII):
        raise refusal("not-a-number", f"`{value}` is not a whole number.", "Write digits only, such as 30.")
    return value


def _owner(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"pool"} and isinstance(value["pool"], str) and value["pool"].strip():
            return POOL + value["pool"].strip()
        raise refusal("bad-owner", "An owner is a name, or a pool to feed.", "Write `support` or `{pool: RULE_NAME}`.")
    if isinstance(value, str) and not value.removeprefix(POOL).strip():
        raise refusal("bad-owner", "An owner has no name.", "Write the owner, or `{pool: RULE_NAME}`.")
    return value


def _zone(value: Any) -> Any:
    if isinstance(value, str) and value != "UTC" and value not in (known := available_timezones()):
        near = get_close_matches(value, sorted(known), n=1)
        cure = f"Did you mean `{near[0]}`?" if near else "Write one of the IANA database, such as `Europe/Berlin`."
        raise refusal("unknown-time-zone", f"`{value}` is no time zone.", cure)
    return value


class PoolTarget(Written):
    """Feeds the pool of another rule instead of charging an owner."""

    pool: str
    """The name of the rule whose pool is fed."""


Number = Annotated[Decimal, BeforeValidator(_number, json_schema_input_type=Decimal)]
Whole = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int)]
Zone = Annotated[str, BeforeValidator(_zone, json_schema_input_type=str)]
Day = Annotated[date, BeforeValidator(_day, json_schema_input_type=date)]
Text = Annotated[str, StringConstraints(min_length=1)]
Constant = Annotated[Text, BeforeValidator(lambda value: value, json_schema_input_type=str | float | bool)]
Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=100)]
DimensionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Owner = Annotated[str, BeforeValidator(_owner, json_schema_input_type=str | PoolTarget)]


class _ConditionSchema:
    """Makes a condition of a text, and describes it as a text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(_condition)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        del schema, handler
        return {
            "type": ["string", "boolean"],
            "minLength": 1,
            "examples": ["tags.pool = 'gpu'", "category = 'training'", "model like 'text-embedding-%'"],
        }


def _condition(value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise refusal("bad-condition", "A condition is a text.", "Write it in quotes: \"tags.team = 'a'\".")
    try:
        return parse(value)
    except ConditionError as error:
        cure = "A condition reads like: \"tags.pool = 'gpu' and billed_cost > 10\"."
        message = f"The condition cannot be read: {error.message}."
        raise refusal("bad-condition", message, cure, column=error.column) from None


When = Annotated[Condition, _ConditionSchema(), PlainSerializer(lambda condition: condition.text)]


class Dated(Written):
    """Something that holds from a day to a day."""

    from_: Day | None = Field(default=None, alias="from")
    """The first day it holds (of the charge, UTC); without it, always before `to`."""
    to: Day | None = None
    """The first day it no longer holds; without it, for ever."""

    @property
    def start(self) -> date:
        """The first day."""
        return self.from_ or OPEN_START

    @property
    def end(self) -> date:
        """The first day after it."""
        return self.to or OPEN_END


def holds_on(dated: Dated, day: date) -> bool:
    """Whether something dated holds on a day."""
    return dated.start <= day < dated.end
