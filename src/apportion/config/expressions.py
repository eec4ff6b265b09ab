"""Reads the condition language: comparisons, `like`, `in`, `and/or/not`, `tags.key`.

It is parsed here and never evaluated as code. Every refusal says what was found, where, and what to write.

    tags.pool = 'gpu'
    category = 'inference' and not tags."cost center" in ('a', 'b')
    model like 'text-embedding-%' or billed_cost > 10.50
    tags.team is empty
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NoReturn, cast

from apportion.config.conditions import (
    NUMBER_DECIMALS,
    NUMBER_DIGITS,
    All,
    AnyOf,
    Compare,
    Condition,
    Like,
    Name,
    Node,
    Not,
    OneOf,
    Operator,
    Present,
    Truth,
    Value,
)
from apportion.config.instants import holds_instant, moment

__all__ = ["Condition", "ConditionError", "Name", "parse"]

# FOCUS reserves the prefix for columns of a provider's own: what they hold is not known.
_FREE = "x_"
_LONGEST = 20_000
_DEEPEST = 50
_WORDS = ("and", "or", "not", "like", "in", "is", "empty")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*')
      | (?P<number>[+-]?\d+(?:\.\d+)?(?![\w.]))
      | (?P<tag>[Tt][Aa][Gg][Ss]\.(?:"(?:[^"]|"")*"|\w(?:[\w.:/@-]*[\w])?))
      | (?P<word>[^\W\d]\w*)
      | (?P<operator>!=|<=|>=|=|<|>)
      | (?P<mark>[(),])
    """,
    re.VERBOSE,
)

# What people bring along from other languages, and what to write here instead.
_FOREIGN = {
    "==": "write a single `=`",
    "<>": "write `!=`",
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`, or `!=`",
    '"': "a text stands in single quotes: 'like this'",
    "\N{LEFT SINGLE QUOTATION MARK}": "use the straight quote '",
    "\N{RIGHT SINGLE QUOTATION MARK}": "use the straight quote '",
    "\N{LEFT DOUBLE QUOTATION MARK}": "a text stands in straight single quotes: 'like this'",
    "[": 'a tag is written `tags.key`, or `tags."a key"`',
    "`": "a text stands in single quotes: 'like this'",
    ";": "there is one condition, without `;`",
}
_FOREIGN_WORDS = {
    "between": "write `x >= 'a' and x <= 'b'`",
    "ilike": "write `like`; upper and lower case differ",
    "rlike": "write `like`, with % and _",
    "regexp": "write `like`, with % and _",
    "contains": "write `like '%part%'`",
    "startswith": "write `like 'start%'`",
    "endswith": "write `like '%end'`",
    "equals": "write `=`",
    "eq": "write `=`",
}


class ConditionError(ValueError):
    """A condition that cannot be read.

    Args:
        message: What is wrong and what to write.
        column: Where in the condition, counted from 1 in characters.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


_Kind = Literal["text", "number", "tag", "word", "operator", "mark", "end"]


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    text: str
    column: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""

    def __str__(self) -> str:
        return f"`{self.text}`" if self.text else "the end"


def parse(text: str) -> Condition:
    """Read a condition.

    Args:
        text: As the user wrote it.

    Returns:
        The condition with its tree.

    Raises:
        ConditionError: It cannot be read; the first fault, with its column.
    """
    return Condition(text, _Parser(_tokens(text)).whole())


def _tokens(text: str) -> list[_Token]:
    if len(text) > _LONGEST:
        raise ConditionError(f"the condition has {len(text):,} characters; {_LONGEST:,} is the most", 1)
    if "\0" in text:
        raise ConditionError("there is a NUL character", text.index("\0") + 1)
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            _refuse_character(text, at)
        if found.lastgroup != "space":
            tokens.append(_Token(cast("_Kind", found.lastgroup), found[0], at + 1))
        at = found.end()
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


def _refuse_character(text: str, at: int) -> NoReturn:
    if text[at] == "'":
        raise ConditionError("the text that starts here has no closing quote '", at + 1)
    if text[at].isdigit() or text[at] in "+-":
        written = re.match(r"[\w.+-]+", text[at:])
        shown = written[0] if written else text[at]
        raise ConditionError(f"`{shown}` is no number; a text stands in single quotes: '{shown}'", at + 1)
    for length in (2, 1):
        hint = _FOREIGN.get(text[at : at + length])
        if hint:
            raise ConditionError(f"`{text[at : at + length]}` is not part of a condition: {hint}", at + 1)
    raise ConditionError(f"`{text[at]}` is not part of a condition", at + 1)


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._ended():
            raise ConditionError("the condition is empty; leave it out, or write `true`", 1)
        node = self._or()
        if not self._ended():
            self._refuse_rest()
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _ended(self) -> bool:
        return self._next.kind == "end"

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _take_word(self, *words: str) -> bool:
        if self._next.word in words:
            self._at += 1
            return True
        return False

    def _take_mark(self, mark: str) -> bool:
        if self._next.kind == "mark" and self._next.text == mark:
            self._at += 1
            return True
        return False

    def _or(self) -> Node:
        parts = [self._and()]
        while self._take_word("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while self._take_word("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _not(self) -> Node:
        negative = False
        while self._take_word("not"):
            negative = not negative
        node = self._part()
        return Not(node) if negative else node

    def _part(self) -> Node:
        start = self._next
        if self._take_mark("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise ConditionError(f"parentheses are nested deeper than {_DEEPEST}", start.column)
            node = self._or()
            if not self._take_mark(")"):
                raise ConditionError(
                    f"the parenthesis of column {start.column} is not closed; found {self._next}",
                    self._next.column,
                )
            self._depth -= 1
            return node
        if start.word in {"true", "false"}:
            self._take()
            return Truth(start.word == "true")
        return self._comparison(self._name())

    def _name(self) -> Name:
        token = self._take()
        if token.kind == "tag":
            key = token.text.split(".", 1)[1]
            key = key[1:-1].replace('""', '"') if key.startswith('"') else key
            if not key:
                raise ConditionError("the tag has no key; write `tags.key`", token.column)
            return Name("tag", key)
        if token.word and token.word not in _WORDS:
            if self._next.kind == "mark" and self._next.text == "(":
                hint = _FOREIGN_WORDS.get(token.word, "compare the name itself: `name = 'text'`")
                raise ConditionError(f"`{token.text}(` is no function, there are none: {hint}", token.column)
            if token.word == "tags":
                raise ConditionError('`tags` needs a key: `tags.key`, or `tags."a key"`', token.column)
            return Name("field", token.text)
        if token.kind in {"text", "number"}:
            raise ConditionError(f"a name stands on the left, not {token}: `tags.key = 'text'`", token.column)
        raise ConditionError(f"a name is missing here: found {token}", token.column)

    def _comparison(self, name: Name) -> Node:
        token = self._next
        if token.kind == "operator":
            self._take()
            if token.text == "!=":
                return Not(Compare(name, "=", self._value_for(name)))
            return Compare(name, cast("Operator", token.text), self._value_for(name))
        if self._take_word("is"):
            negative = self._take_word("not")
            if not self._take_word("empty"):
                written = "is not empty" if negative else "is empty"
                raise ConditionError(f"found {self._next}; write `{written}`", self._next.column)
            return Present(name) if negative else Not(Present(name))
        negative = token.word == "not"
        if negative and self._tokens[self._at + 1].word not in {"like", "in"}:
            after = self._tokens[self._at + 1]
            raise ConditionError(f"`like` or `in` follows `not` here; found {after}", after.column)
        if negative:
            self._take()
        if self._take_word("like"):
            return self._negated(negative, Like(name, self._pattern()))
        if self._take_word("in"):
            return self._negated(negative, OneOf(name, self._values(name)))
        return Present(name)

    @staticmethod
    def _negated(negative: bool, node: Node) -> Node:  # noqa: FBT001 - it is the word before the node
        return Not(node) if negative else node

    def _pattern(self) -> str:
        token = self._next
        value = self._value()
        if not isinstance(value, str):
            raise ConditionError(f"a pattern is a text: like '{token.text}%'", token.column)
        return value

    def _values(self, name: Name) -> tuple[Value, ...]:
        if not self._take_mark("("):
            raise ConditionError(
                f"`in` needs a list in parentheses: in ('a', 'b'); found {self._next}", self._next.column
            )
        values = [self._value_for(name)]
        while self._take_mark(","):
            values.append(self._value_for(name))
        if not self._take_mark(")"):
            raise ConditionError(f"`,` or `)` is missing in the list; found {self._next}", self._next.column)
        return tuple(values)

    def _value_for(self, name: Name) -> Value:
        """A value to compare with; an instant is compared with nothing else."""
        token = self._next
        value = self._value()
        known = name.kind == "field" and holds_instant(name.key) and not name.key.startswith(_FREE)
        if known and (isinstance(value, Decimal) or moment(value) is None):
            raise ConditionError(
                f"{token} is no date or instant, which `{name}` is compared with:"
                " write '2026-11-03', '2026-11-03 14:05:00' or '2026-11-03T14:05:00Z'",
                token.column,
            )
        return value

    def _value(self) -> Value:
        token = self._take()
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            whole, _, decimals = token.text.lstrip("+-").partition(".")
            if len(whole) > NUMBER_DIGITS or len(decimals) > NUMBER_DECIMALS or not token.text.isascii():
                raise ConditionError(
                    f"`{token.text}` is too long for a number; a text stands in single quotes", token.column
                )
            return Decimal(token.text)
        if token.kind in {"word", "tag"} and token.word not in _WORDS:
            raise ConditionError(f"`{token.text}` is no text; put it in single quotes: '{token.text}'", token.column)
        if token.kind == "operator":
            before = self._tokens[self._at - 2]
            both = before.text + token.text
            if both in _FOREIGN and before.column + len(before.text) == token.column:
                raise ConditionError(f"`{both}` is not part of a condition: {_FOREIGN[both]}", token.column - 1)
        raise ConditionError(f"a value is missing here: found {token}", token.column)

    def _refuse_rest(self) -> NoReturn:
        token = self._next
        hint = _FOREIGN_WORDS.get(token.word)
        if hint is None and token.word:
            near = difflib.get_close_matches(token.word, _WORDS[:-1], n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else "join two comparisons with `and` or `or`"
        if token.text == ")":
            hint = "a parenthesis is closed that was never opened"
        hint = hint or "join two comparisons with `and` or `or`"
        raise ConditionError(f"{token} is not expected here: {hint}", token.column)
