"""Reads price files: exact decimals, line numbers, every problem at once.

The YAML is walked as nodes, so that `2.50` never becomes a float and each problem knows its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from apportion.errors import Place, Problem
from apportion.period import OPEN_END, OPEN_START
from apportion.price.entries import (
    BUCKETS,
    FIELDS,
    Discount,
    Entry,
    Field,
    Fill,
    Modifier,
    Rates,
    Scope,
)

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
# Above this a price is a slip of the pen, and whole picos would no longer fit the engine's integers.
_HIGHEST = 1_000_000
_PRICES = ("input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "tool_prompt", "output")
_ABOUT = ("provider", "model", "from", "to", "source", "checked")
_ENTRY = (*_ABOUT, "currency", *_PRICES, "per_request", "batch", *FIELDS, "context", "negotiated")

Part = TypeVar("Part", Entry, Modifier, Discount)


@dataclass(frozen=True)
class PriceFile:
    """What a price file says.

    Attributes:
        entries: Prices of models.
        modifiers: Multipliers.
        discounts: Percentages off.
        fills: Cache prices as multiples; only in the product's own file.
        problems: Everything wrong with the file; what is wrong is left out of the rest.
    """

    entries: tuple[Entry, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    discounts: tuple[Discount, ...] = ()
    fills: tuple[Fill, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_prices(path: Path, name: str | None = None) -> PriceFile:
    """Read a price file.

    Args:
        path: Where it lies.
        name: As the user wrote it, for problems.
    """
    shown = name or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = YAML().compose(text)
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("prices-unreadable", f"the price file cannot be read: {error}", Place(shown))
        return PriceFile(problems=(problem,))
    except YAMLError as error:
        line = error.problem_mark.line + 1 if isinstance(error, MarkedYAMLError) and error.problem_mark else None
        what = error.problem if isinstance(error, MarkedYAMLError) and error.problem else "it is not YAML"
        problem = Problem(
            "prices-unreadable",
            f"the price file is not valid YAML: {what}",
            Place(shown, line),
            cure="mend the line; see docs/prices.md for the form",
        )
        return PriceFile(problems=(problem,))
    return _Reader(shown, text.splitlines()).file(root)


class _Reader:
    """Walks one file and keeps what is wrong with it."""

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self.name = name
        self.lines = lines
        self.problems: list[Problem] = []

    def file(self, root: Node | None) -> PriceFile:
        if root is None:
            return PriceFile()
        top = self.mapping(root, ("prices", "modifiers", "discounts", "fills"))
        entries = self.each(top.get("prices"), self.entry)
        modifiers = self.each(top.get("modifiers"), self.modifier)
        discounts = self.each(top.get("discounts"), self.discount)
        fills = [self.fill(node) for node in self.sequence(top.get("fills"))]
        self.apart(entries, lambda a, b: a.scope.overlaps(b.scope), "prices")
        self.apart(discounts, lambda a, b: a.scope.overlaps(b.scope), "discounts")
        self.apart(
            modifiers,
            lambda a, b: a.field == b.field and bool(set(a.values) & set(b.values)) and a.scope.overlaps(b.scope),
            "modifiers",
        )
        return PriceFile(tuple(entries), tuple(modifiers), tuple(discounts), tuple(fills), tuple(self.problems))

    def each(self, node: Node | None, read: Callable[[Node], Part]) -> list[Part]:
        """The items that have no problem."""
        out = []
        for item in self.sequence(node):
            before = len(self.problems)
            part = read(item)
            if len(self.problems) == before:
                out.append(part)
        return out

    def entry(self, node: Node) -> Entry:
        parts = self.mapping(node, _ENTRY)
        if "currency" in parts and (code := self.word(parts["currency"]).upper()) != "USD":
            self.wrong(
                parts["currency"],
                "prices-currency",
                f"prices are in {code}; list prices must be in USD, because one currency weighs all calls",
                "convert the prices to USD and write `currency: USD`",
            )
        times: dict[tuple[Field, str], Fraction] = {}
        if "batch" in parts:
            times["processing", "batch"] = self.number(parts["batch"])
        for field in FIELDS:
            if field in parts:
                for value, factor in self.mapping(parts[field], None).items():
                    times[field, value.lower()] = self.number(factor)
        base = self.prices(parts)
        if not base.tokens and "per_request" not in parts:
            self.wrong(node, "prices-missing", "the entry has no price", "write `input:` and `output:` in USD")
        above: list[tuple[int, Rates]] = []
        for step in self.sequence(parts.get("context")):
            inner = self.mapping(step, ("above", *_PRICES, "per_request"))
            if "above" not in inner:
                self.wrong(step, "prices-missing", "a context step has no `above:`", "write `above: 200000`")
                continue
            limit = self.number(inner["above"])
            if limit.denominator != 1 or limit < 1:
                self.wrong(inner["above"], "prices-number", "`above:` is a number of input tokens", "write 200000")
            rates = self.prices({**{k: v for k, v in parts.items() if k in _PRICES}, **inner})
            above.append((int(limit), Rates(rates.tokens, rates.request or base.request)))
        return Entry(
            scope=self.scope(node, parts),
            rates=base,
            above=tuple(sorted(above, key=lambda step: step[0])),
            times=times,
            source=self.word(parts.get("source")),
            checked=self.day(parts["checked"]) if "checked" in parts else None,
            negotiated="negotiated" in parts and self.word(parts["negotiated"]).lower() == "true",
            line=_line(node),
        )

    def prices(self, parts: dict[str, Node]) -> Rates:
        """The buckets' rates: tools cost what input costs, a cache write what the nearest price says."""
        told = {name: self.number(parts[name]) for name in _PRICES if name in parts}
        sources = {
            "uncached_input": ("input",),
            "cache_read": ("cache_read",),
            "cache_write_5m": ("cache_write_5m", "cache_write"),
            "cache_write_1h": ("cache_write_1h", "cache_write"),
            # A provider that does not tell the lifetime writes for its usual one, the short one.
            "cache_write_other": ("cache_write", "cache_write_5m"),
            "tool_prompt": ("tool_prompt", "input"),
            "output": ("output",),
        }
        tokens = {
            bucket: next(told[name] for name in names if name in told)
            for bucket, names in sources.items()
            if any(name in told for name in names)
        }
        request = self.number(parts["per_request"]) if "per_request" in parts else Fraction(0)
        return Rates(tokens, request)

    def modifier(self, node: Node) -> Modifier:
        keys = ("provider", "providers", "model", "models", "from", "to", "source", "checked")
        parts = self.mapping(node, (*keys, "field", "values", "times"))
        field = self.word(parts.get("field"))
        if field not in FIELDS:
            self.wrong(node, "prices-key", f"`field:` is {field!r}", f"write one of: {', '.join(FIELDS)}")
        return Modifier(
            scope=self.scope(node, parts),
            field=cast("Field", field),
            values=tuple(value.lower() for value in self.words(parts.get("values"))),
            times=self.needed(node, parts, "times"),
            source=self.word(parts.get("source")),
            checked=self.day(parts["checked"]) if "checked" in parts else None,
            line=_line(node),
        )

    def fill(self, node: Node) -> Fill:
        parts = self.mapping(node, ("providers", "models", "bucket", "times", "source", "checked"))
        bucket = self.word(parts.get("bucket"))
        if bucket not in BUCKETS:
            self.wrong(node, "prices-key", f"`bucket:` is {bucket!r}", f"write one of: {', '.join(BUCKETS)}")
        checked = self.day(parts["checked"]) if "checked" in parts else None
        source = self.word(parts.get("source"))
        return Fill(self.scope(node, parts), bucket, self.needed(node, parts, "times"), source, checked)

    def discount(self, node: Node) -> Discount:
        parts = self.mapping(node, (*_ABOUT, "percent"))
        percent = self.needed(node, parts, "percent")
        if percent > 100:  # noqa: PLR2004 - per cent
            self.wrong(node, "prices-number", "a discount of more than 100 percent", "write what is taken off")
        return Discount(
            scope=self.scope(node, parts, models=("%",)),
            percent=percent,
            source=self.word(parts.get("source")),
            checked=self.day(parts["checked"]) if "checked" in parts else None,
            line=_line(node),
        )

    def scope(self, node: Node, parts: dict[str, Node], models: tuple[str, ...] = ()) -> Scope:
        providers = tuple(word.lower() for word in self.words(parts.get("provider") or parts.get("providers")))
        named = tuple(word.lower() for word in self.words(parts.get("model") or parts.get("models"))) or models
        for what, words in (("provider", providers), ("model", named)):
            if not words:
                self.wrong(node, "prices-missing", f"the entry has no `{what}:`", f"write `{what}: NAME`")
        start = self.day(parts["from"]) if "from" in parts else OPEN_START
        end = self.day(parts["to"]) if "to" in parts else OPEN_END
        if start >= end:
            self.wrong(node, "prices-date", f"`from:` {start} is not before `to:` {end}", "start in, end out")
        return Scope(providers, named, start, end)

    def apart(self, parts: Sequence[Part], clash: Callable[[Part, Part], bool], what: str) -> None:
        """No two facts may hold for the same words on the same day: prices are never overwritten."""
        for place, part in enumerate(parts):
            for other in parts[:place]:
                if clash(other, part):
                    shared = sorted(set(part.scope.models) & set(other.scope.models))
                    self.problems.append(
                        Problem(
                            "prices-overlap",
                            f"`{what}` has two entries for {', '.join(shared)} with days in common:"
                            f" this one and line {other.line}",
                            Place(self.name, part.line),
                            cure="end the older entry with `to:` on the day that the newer one begins",
                        )
                    )

    # Values --------------------------------------------------------------------------------------

    def mapping(self, node: Node, keys: Sequence[str] | None) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            self.wrong(node, "prices-key", "a list of `key: value` lines is expected here", "see docs/prices.md")
            return {}
        out: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if keys is not None and name not in keys:
                near = get_close_matches(name, keys, 1)
                hint = f"write `{near[0]}`" if near else "remove it"
                self.wrong(key, "prices-key", f"`{name}` is not known here", hint)
            elif name in out:
                self.wrong(key, "prices-key", f"`{name}` is there twice", "keep one of the two")
            else:
                out[name] = value
        return out

    def sequence(self, node: Node | None) -> list[Node]:
        if node is None or (isinstance(node, ScalarNode) and node.value in ("", "null", "~")):
            return []
        if not isinstance(node, SequenceNode):
            self.wrong(node, "prices-key", "a list is expected here", "start each item with `- `")
            return []
        return list(node.value)

    def word(self, node: Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, ScalarNode):
            self.wrong(node, "prices-key", "one value is expected here", "write one value")
            return ""
        return str(node.value).strip()

    def words(self, node: Node | None) -> list[str]:
        if isinstance(node, SequenceNode):
            return [self.word(item) for item in node.value]
        return [word for word in [self.word(node)] if word]

    def needed(self, node: Node, parts: dict[str, Node], name: str) -> Fraction:
        if name in parts:
            return self.number(parts[name])
        self.wrong(node, "prices-missing", f"the entry has no `{name}:`", f"write `{name}: NUMBER`")
        return Fraction(0)

    def number(self, node: Node) -> Fraction:
        text = self.word(node)
        if not _NUMBER.fullmatch(text):
            self.wrong(node, "prices-number", f"{text!r} is not a number", "write a plain decimal such as 2.50")
            return Fraction(0)
        value = Fraction(text)
        if value < 0:
            self.wrong(node, "prices-number", f"{text} is negative", "write 0 or more")
        elif value > _HIGHEST:
            self.wrong(node, "prices-number", f"{text} is above 1,000,000", "write USD per million tokens")
        return value

    def day(self, node: Node) -> date:
        """A day, or an instant that is the start of a day in UTC, because usage is priced by the day."""
        text = self.word(node)
        try:
            if len(text) == len("2026-11-16"):
                return date.fromisoformat(text)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.wrong(node, "prices-date", f"{text!r} is not a day", "write a day such as 2026-11-16")
            return OPEN_START
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.time() != time():
            self.wrong(
                node,
                "prices-date",
                f"{text} is {moment:%H:%M} in UTC; a price changes at 00:00 UTC",
                f"write the day: {moment.date()}",
            )
        return moment.date()

    def wrong(self, node: Node, slug: str, message: str, cure: str) -> None:
        mark = node.start_mark
        excerpt = self.lines[mark.line] if mark.line < len(self.lines) else None
        place = Place(self.name, mark.line + 1, mark.column + 1)
        self.problems.append(Problem(slug, message, place, excerpt, cure=cure))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
