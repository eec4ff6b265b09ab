"""The proposed `apportion.yaml`: each block with a word on why it is there and what one would change."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from apportion.setup.draft import Draft, Lens, Value
from apportion.setup.sources import Source

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[-.][A-Za-z0-9_]+)*", re.ASCII)
# Words that YAML, in one version or another, takes for something else than a text.
_TAKEN = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan"})
_HEADS = {
    "bills": "money: what vendors charge; printed invoice totals are what statements reconcile to",
    "usage": "evidence: who called which model; it divides the bills and never changes them",
    "meters": "evidence: measured quantities that divide what no call shows",
    "directory": "who is who, with dates: people in teams, and what a key stands for",
    "seats": "the seats of tools that are sold by seat",
}
_TYPES = {"charges": "focus", "invoices": "invoices", "roster": "roster", "lookup": "lookup", "codes": "codes"}
_WIDTH = 118


def settings_text(draft: Draft) -> str:
    """The file as it would be written; the same draft gives the same text."""
    blocks = [
        _head(draft),
        *(_section(draft, section) for section in _HEADS),
        _single(draft),
        _scope(draft),
        _dimensions(draft),
        _rules(draft),
        _rest(),
    ]
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block))) + "\n"


def scalar(text: str) -> str:
    """A text as one YAML scalar, whatever is in it; what moves a cursor or turns a line is escaped."""
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def comment(text: str) -> str:
    """A text that cannot leave its comment."""
    return " ".join("".join(" " if _hidden(character) else character for character in text).split())


def flow(value: Value) -> str:
    """A value in one line of YAML."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(flow(each) for each in value) + "]"


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if _hidden(character):
        number = ord(character)
        return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"  # noqa: PLR2004 - four digits or eight
    return character


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or character == "\u00a0"


def _comments(text: str, indent: str = "") -> Iterator[str]:
    for line in textwrap.wrap(comment(text), _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"


def _beside(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines with their comments beside them, in one column where they fit."""
    rows = list(pairs)
    width = max((len(line) for line, said in rows if said and len(line) < _WIDTH * 2 // 3), default=0)
    for line, said in rows:
        text = comment(said)
        room = _WIDTH - len(text) - len("  # ")
        if text and len(line) > room:
            yield from _comments(text, " " * (len(line) - len(line.lstrip())))
            yield line
        else:
            yield f"{line:<{width if width <= room else 0}}  # {text}" if text else line


def _head(draft: Draft) -> Iterator[str]:
    yield from _comments(
        "Proposed by `apportion init` from the files it was shown. Everything in it may be changed; `apportion check`"
        " says at once whether it still holds. docs/project.md has every setting."
    )
    yield from _beside(
        [
            (f"company: {scalar(draft.company)}", "as reports show it"),
            (
                f"currency: {scalar(draft.currency)}",
                "the one ledger currency; others are converted by the rates of `fx:`",
            ),
            (
                f"owner: {scalar(draft.owner)}",
                "who is charged; a statement by another dimension cuts the same cents again",
            ),
        ]
    )
    if draft.roots:
        yield f"roots: {flow(draft.roots)}  # folders outside this one that the sources may point into"


def _section(draft: Draft, section: str) -> Iterator[str]:
    sources = draft.of(section)
    left = [each for each in draft.left_out if each.source.section == section]
    if not sources and not left:
        return
    if sources:
        yield f"{section}:  # {_HEADS[section]}"
        yield from _beside((f"  - {flow(written(source))}", _about(source)) for source in sources)
    else:
        yield from _comments(f"{section}: {_HEADS[section]}; nothing is read yet")
    for each in left:
        yield from _comments(f"left out: {each.reason}", "  ")
        yield f"  # - {flow(written(each.source))}"


def written(source: Source) -> Mapping[str, Value]:
    """What the settings say of a source."""
    seen = source.seen
    said: dict[str, Value] = {"name": source.name}
    if source.table in _TYPES:
        said["type"] = _TYPES[source.table]
    said["path"] = source.path
    if source.table == "meters":
        said["unit"] = seen.unit or "Units"
    if seen.tokens:
        said["tokens"] = seen.tokens
    if seen.columns:
        said["columns"] = dict(seen.columns)
    if seen.constants:
        said["set"] = dict(seen.constants)
    return said


def _about(source: Source) -> str:
    return "; ".join([source.seen.what, *source.seen.assumed])


def _single(draft: Draft) -> Iterator[str]:
    """Prices and rates, of which a project has one file each."""
    for source in draft.of("prices"):
        yield f"prices: {flow({'overrides': source.path})}  # negotiated prices; list prices fill the gaps"
    for source in draft.of("fx"):
        yield f"fx: {flow({'path': source.path})}  # rates into {comment(draft.currency)}"
    for each in draft.left_out:
        if each.source.section in {"prices", "fx"}:
            yield from _comments(f"left out: {each.source.path}: {each.reason}")


def _scope(draft: Draft) -> Iterator[str]:
    if draft.scope:
        yield "scope:  # what of a bill is AI beside the built-in list; the rest stays out, and in sight"
        yield "  ai: default"
        yield f"  include: {flow(draft.scope)}"
    if draft.categories:
        yield "categories:  # before the built-in rules; the first match wins"
        yield from _beside(
            (f"  - {flow({'category': category, 'when': when})}", why) for category, when, why in draft.categories
        )


def _dimensions(draft: Draft) -> Iterator[str]:
    yield "dimensions:  # lenses on the same cents; of a list of evidence the first hit wins"
    for lens in draft.lenses:
        yield from _lens(lens, draft)
    if draft.spare_tags:
        yield from _comments("also seen, and not used: " + ", ".join(draft.spare_tags), "  ")


def _lens(lens: Lens, draft: Draft) -> Iterator[str]:
    yield f"  {lens.name}:" + ("  # the owner" if lens.name == draft.owner else "")
    yield from _beside((f"    - {flow(says)}", why) for says, why in lens.evidence)


def _rules(draft: Draft) -> Iterator[str]:
    if not draft.rules:
        return
    yield "allocate:  # in order; the first rule that matches a charge owns it"
    yield from _beside((f"  - {flow({'name': rule.name, **rule.says})}", rule.why) for rule in draft.rules)


def _rest() -> Iterator[str]:
    yield "unallocated: {keep: true}  # what nobody owns stays in sight; {spread_by: attributed_cost} would divide it"
