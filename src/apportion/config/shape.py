"""Turns a document into settings, and every fault of its form into a problem with its line.

What is faulty is left out and the rest is understood nevertheless, so that the cross-references of the sound
part are checked in the same go and a user sees all problems at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import ValidationError

from apportion.config.dimensions import EVIDENCE_KINDS
from apportion.config.document import Document, Node
from apportion.config.rules import METHODS
from apportion.config.settings import Settings
from apportion.errors import Problem

_ROUNDS = 200
_FOUND = {"mapping": "a mapping", "list": "a list", "nothing": "nothing"}
_STAND_INS = {"company": "unknown", "currency": "USD"}
_LISTED = re.compile(r"'([^']*)'")
_KINDS = {
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "mapping": "a mapping",
    "dict": "a mapping",
    "model": "a mapping",
    "bool": "`true` or `false`",
    "int": "a whole number",
    "decimal": "a number",
    "date": "a day, such as 2026-11-01",
}


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that was most likely meant, if any is near."""
    lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def meant(word: str, known: Sequence[str]) -> str:
    """A cure: the nearest word, or the list to choose from."""
    near = nearest(word, known)
    if near is not None:
        return f"Did you mean `{near}`?"
    if not known:
        return ""
    shown = ", ".join(f"`{each}`" for each in known[:12])
    return f"Choose from {shown}{' …' if len(known) > 12 else ''}."  # noqa: PLR2004 - what fits a line


def understand(document: Document) -> tuple[Settings | None, Document, list[Problem], frozenset[str]]:
    """Make settings of a document.

    Returns:
        Settings of its sound part, the document less its faulty parts, the problems, and the names of what
        was left out (so that a reference to it is not reported as unknown too).
    """
    document, problems = _without_nothing(document)
    left_out: set[str] = set()
    for _ in range(_ROUNDS):
        try:
            return Settings.model_validate(document.root.plain()), document, problems, frozenset(left_out)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        drops: set[tuple[str | int, ...]] = set()
        for fault in faults:
            problems.append(_problem(document, fault))
            if fault["type"] == "bad-condition":
                # The rest of a rule can be checked without knowing which charges it means.
                taken, _, value = document.reach(fault["loc"])
                stand_in = replace(value, kind="text", text="true", entries=(), items=())
                document = replace(document, root=document.root.with_value(taken, stand_in))
            else:
                drops.add(_drop(document, fault))
        stand_ins = {str(path[0]) for path in drops if len(path) == 1 and path[0] in _STAND_INS}
        # The last items go first, so that the numbers of those before them stay right.
        for path in sorted(_outermost(drops), key=_last_first, reverse=True):
            left_out |= _names(document, path)
            document = replace(document, root=document.root.without(path))
        for key in stand_ins:
            document = _with_stand_in(document, key)
    return None, document, problems, frozenset(left_out)


def _last_first(path: tuple[str | int, ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in path)


def _outermost(paths: set[tuple[str | int, ...]]) -> list[tuple[str | int, ...]]:
    return [p for p in paths if p and not any(p != q and p[: len(q)] == q for q in paths)]


def _without_nothing(document: Document) -> tuple[Document, list[Problem]]:
    """Leave out what has no value: a section may be empty, anything else is a problem."""
    problems = []
    empty = [path for path, node in document.root.walk() if node.kind == "nothing"]
    for path in sorted(empty, key=_last_first, reverse=True):
        if len(path) > 1 or path[0] in _STAND_INS:
            what = f"`{path[-1]}` has no value" if isinstance(path[-1], str) else "This item has no value"
            cure = "Write a value, or remove it."
            problems.append(document.problem("empty-value", f"{what}.", path, at="key", cure=cure))
    without = document
    for path in sorted(empty, key=_last_first, reverse=True):
        without = replace(without, root=without.root.without(path))
    for key in _STAND_INS:
        without = _with_stand_in(without, key) if (key,) in empty else without
    return without, problems


def _with_stand_in(document: Document, key: str) -> Document:
    """With a value for a setting that cannot be left out."""
    entry = (Node("text", 1, 1, text=key), Node("text", 1, 1, text=_STAND_INS[key]))
    return replace(document, root=replace(document.root, entries=(*document.root.entries, entry)))


def _drop(document: Document, fault: Any) -> tuple[str | int, ...]:
    """What has to go so that the rest can be understood."""
    taken, _, _ = document.reach(fault["loc"])
    if fault["type"] == "unknown-key":
        return taken
    if fault["type"] == "missing" and fault["loc"][0] in _STAND_INS:
        return (fault["loc"][0],)
    if taken and taken[0] == "policies":
        return taken[:2]
    if len(taken) > 1 and taken[0] == "dimensions":
        # One piece of evidence goes, not the dimension, unless its name or its form is at fault.
        numbers = [n for n, step in enumerate(taken) if isinstance(step, int)]
        if fault["loc"][-1] != "[key]" and numbers and taken[2] in {"evidence", taken[numbers[0]]}:
            return taken[: numbers[0] + 1]
        return taken[:2]
    return taken[:2] if len(taken) > 1 and isinstance(taken[1], int) else taken[:1]


def _names(document: Document, path: tuple[str | int, ...]) -> set[str]:
    """What a left-out part would have defined."""
    _, _, node = document.reach(path)
    steps = {step for step in path[1:2] if isinstance(step, str)}
    items = [node, *node.items]
    named = {entry[1].text for item in items if (entry := item.get("name"))}
    if path == ("dimensions",):
        steps |= {key.text for key, _ in node.entries}
    return steps | named


def _problem(document: Document, fault: Any) -> Problem:
    kind, path, context = fault["type"], fault["loc"], fault.get("ctx", {})
    _, key, value = document.reach(path)
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return _unknown_variant(document, path, value)
    if kind == "string_pattern_mismatch":
        return _bad_name(document, path, key if path[-1] == "[key]" else value)
    if "-" in kind and kind != "unknown-key":
        cure = context.get("cure", "")
        near = nearest(value.text, context["allowed"]) if "allowed" in context else None
        cure = f"Did you mean `{near}`? {cure}" if near else cure
        offset = context.get("column", 1) - 1
        return document.problem(kind, context["message"], path, offset=offset, cure=cure or None)
    return _form(document, fault, value)


def _form(document: Document, fault: Any, value: Node) -> Problem:
    """A fault of form that the kind of the setting decides, not what it says."""
    kind, path, context = fault["type"], fault["loc"], fault.get("ctx", {})
    last = next((str(step) for step in reversed(path) if isinstance(step, str) and step[:1] != "<"), "")
    name = f"`{last}`" if last else "This"
    at: Literal["key", "value"] = "value"
    if kind == "unknown-key":
        slug, message, at = kind, f"{name} is not a setting here.", "key"
        cure = meant(last, context["allowed"])
    elif kind == "missing":
        slug, message, cure = "missing-key", f"{name} is missing.", f"Add `{last}: …`."
    elif kind == "literal_error":
        slug, message = "unknown-choice", f"`{value.text}` is no choice for {name}."
        cure = meant(value.text, _LISTED.findall(context["expected"]))
    elif kind in {"string_too_short", "too_short"}:
        slug, message, cure = "empty-value", f"{name} is empty.", "Write a value, or remove it."
    elif kind == "string_too_long":
        slug, message = "bad-name", f"{name} has more than {context['max_length']} characters."
        cure = "Write a shorter name."
    elif kind == "greater_than_equal":
        slug, message = "out-of-range", f"{name} is {value.text}, and is at least {context['ge']}."
        cure = f"Write {context['ge']} or more."
    else:
        wanted = next((words for start, words in _KINDS.items() if kind.startswith(start)), "another value")
        found = _FOUND.get(value.kind, f"`{value.text}`")
        slug, message, cure = "wrong-kind", f"{name} must be {wanted}, and is {found}.", f"Write {wanted}."
    return document.problem(slug, message, path, at=at, cure=cure or None)


def _unknown_variant(document: Document, path: Sequence[str | int], value: Node) -> Problem:
    if path[0] == "allocate":
        method = value.get("method")
        near = next((key.text for key, _ in value.entries if nearest(key.text, ["method"])), None)
        if method is None and near is not None:
            message, cure = f"`{near}` is not a setting here.", "Did you mean `method`?"
            return document.problem("unknown-key", message, (*path, near), at="key", cure=cure)
        if method is None:
            message = "The rule has no method." if value.kind == "mapping" else "A rule is a mapping."
            slug = "missing-key" if value.kind == "mapping" else "wrong-kind"
            return document.problem(slug, message, path, cure=f"Add `method:` with one of {_list(METHODS)}.")
        message = f"`{method[1].text}` is no method."
        return document.problem("unknown-choice", message, (*path, "method"), cure=meant(method[1].text, METHODS))
    first = next((key.text for key, _ in value.entries), "")
    message = f"`{first}` is no kind of evidence." if first else "This is no evidence."
    cure = meant(first, EVIDENCE_KINDS) or f"Start with one of {_list(EVIDENCE_KINDS)}."
    at: Literal["key", "value"] = "key" if first else "value"
    return document.problem("unknown-evidence", message, (*path, first) if first else path, at=at, cure=cure)


def _bad_name(document: Document, path: Sequence[str | int], node: Node) -> Problem:
    if path[0] == "dimensions":
        cure = "Use lower-case letters, digits and `_`, a letter first."
        message = f"`{node.text}` is no name for a dimension."
        return document.problem("bad-name", message, path, at="key", cure=cure)
    cure = "Use letters, digits, `_`, `-`, `.` and spaces."
    shown = node.text.encode("unicode_escape").decode()
    return document.problem("bad-name", f"`{shown}` is no name.", path, cure=cure)


def _list(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
