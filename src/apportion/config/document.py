"""The text of `apportion.yaml` as a tree that remembers where every key and value stands.

Values stay the text that the user wrote, so that `33.3333` becomes an exact decimal and `007` stays an id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from apportion.errors import Place, Problem

FILE = "apportion.yaml"
LARGEST_BYTES = 2_000_000
MOST_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "merge", "value")}
_LONGEST_EXCERPT = 200
# What stands there instead of the name of a secret may be the secret.
_HIDDEN = frozenset({"bad-key-from"})

Path = Sequence[str | int]


@dataclass(frozen=True)
class Node:
    """One value of the file.

    Attributes:
        kind: A mapping, a list, a text (any scalar) or nothing.
        line: Counted from 1.
        column: Counted from 1.
        text: Of a text; of other kinds empty.
        entries: Of a mapping: each key and its value.
        items: Of a list.
        quote: The quote or block sign that a text stands in.
        one_line: Whether it starts and ends on one line.
    """

    kind: Literal["mapping", "list", "text", "nothing"]
    line: int
    column: int
    text: str = ""
    entries: tuple[tuple[Node, Node], ...] = ()
    items: tuple[Node, ...] = ()
    quote: str = ""
    one_line: bool = True

    def get(self, key: str | int) -> tuple[Node, Node] | None:
        """The key and the value of one entry; for a list item, the item twice."""
        if isinstance(key, int):
            found = self.items[key] if 0 <= key < len(self.items) else None
            return (found, found) if found else None
        return next(((k, v) for k, v in self.entries if k.text == key), None)

    def plain(self) -> Any:
        """The value as dictionaries, lists and texts."""
        if self.kind == "mapping":
            return {key.text: value.plain() for key, value in self.entries}
        if self.kind == "list":
            return [item.plain() for item in self.items]
        return self.text if self.kind == "text" else None

    def without(self, path: Path) -> Node:
        """The same value less what stands at a path."""
        key, rest = path[0], path[1:]
        if self.kind == "list":
            kept = [
                item.without(rest) if rest and n == key else item
                for n, item in enumerate(self.items)
                if rest or n != key
            ]
            return replace(self, items=tuple(kept))
        entries = [
            (k, v.without(rest) if rest and k.text == key else v) for k, v in self.entries if rest or k.text != key
        ]
        return replace(self, entries=tuple(entries))

    def with_value(self, path: Path, node: Node) -> Node:
        """The same value with another one at a path that exists."""
        if not path:
            return node
        key, rest = path[0], path[1:]
        items = (each.with_value(rest, node) if n == key else each for n, each in enumerate(self.items))
        entries = ((k, v.with_value(rest, node) if k.text == key else v) for k, v in self.entries)
        return replace(self, entries=tuple(entries), items=tuple(items))

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
        """Every value below it with its path, itself first."""
        yield path, self
        for key, value in self.entries:
            yield from value.walk((*path, key.text))
        for number, item in enumerate(self.items):
            yield from item.walk((*path, number))


@dataclass(frozen=True)
class Document:
    """A file that was understood as YAML.

    Attributes:
        root: Its mapping.
        lines: As written, for excerpts.
        file: As problems name it.
    """

    root: Node
    lines: tuple[str, ...]
    file: str = FILE

    def reach(self, path: Path) -> tuple[tuple[str | int, ...], Node, Node]:
        """Follow a path as far as it exists.

        Steps that do not exist in the file are passed over: a setting may be written in a short form.

        Returns:
            The steps taken, the key (or list item) reached, and its value.
        """
        taken: list[str | int] = []
        key = value = self.root
        for step in path:
            found = value.get(step)
            if found:
                key, value = found
                taken.append(step)
        return tuple(taken), key, value

    def problem(
        self,
        slug: str,
        message: str,
        path: Path,
        *,
        at: Literal["value", "key"] = "value",
        offset: int = 0,
        cure: str | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem that points at a place of the file.

        Args:
            slug: Its kind.
            message: What is wrong.
            path: To the value.
            at: Whether it is about the value or about the key that names it.
            offset: Characters into the text of the value.
            cure: What to do.
            severity: See `Problem`.
        """
        _, key, value = self.reach(path)
        node = key if at == "key" else value
        column = node.column + (self._raw_offset(node, offset) if offset else 0)
        return problem_at(self.lines, slug, message, node.line, column, cure=cure, severity=severity, file=self.file)

    def _raw_offset(self, node: Node, offset: int) -> int:
        """Where a character of a text stands in the line, given that quotes and escapes take room."""
        if not node.one_line or node.quote in {"|", ">"}:
            return 0
        if node.quote == "'":
            return 1 + offset + node.text[:offset].count("'")
        if node.quote != '"':
            return offset
        raw = self.lines[node.line - 1][node.column :]
        at = 0
        for _ in range(offset):
            length = {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
            at += length if raw[at : at + 1] == "\\" else 1
        return 1 + at


def problem_at(
    lines: Sequence[str],
    slug: str,
    message: str,
    line: int,
    column: int,
    *,
    cure: str | None = None,
    severity: Literal["error", "warning"] = "error",
    file: str = FILE,
) -> Problem:
    """A problem with the line that it is about."""
    excerpt = lines[line - 1] if 0 < line <= len(lines) else ""
    if slug in _HIDDEN:
        excerpt = f"{excerpt[: column - 1].rstrip()} …"
    if len(excerpt) > _LONGEST_EXCERPT:
        excerpt = excerpt[:_LONGEST_EXCERPT] + " …"
    place = Place(file, line=line, column=column)
    return Problem(slug, message, place, excerpt=excerpt or None, cure=cure, severity=severity)


def read(text: str) -> tuple[Document | None, list[Problem]]:
    """Understand a text as YAML, without constructing anything but texts.

    Returns:
        The document, if it is a mapping at all, and what is wrong with it.
    """
    lines = tuple(text.splitlines())
    node, fault = _compose(text, lines)
    if fault:
        return None, [fault]
    builder = _Builder(lines)
    try:
        root = builder.build(node) if node is not None else Node("nothing", 1, 1)
    except _TooLargeError as error:
        return None, [*builder.problems, error.problem]
    if root.kind == "mapping":
        return Document(root, lines), builder.problems
    cure = "Start with `company: NAME` and `currency: USD`."
    if root.kind == "nothing":
        found = problem_at(lines, "config-empty", "The file has no settings.", 1, 1, cure=cure)
    else:
        message = f"The file is a {root.kind}, not a mapping of settings."
        found = problem_at(lines, "wrong-kind", message, root.line, root.column, cure=cure)
    return None, [*builder.problems, found]


def _compose(text: str, lines: Sequence[str]) -> tuple[Any, Problem | None]:
    try:
        return YAML(typ="safe", pure=True).compose(text), None
    except MarkedYAMLError as error:
        return None, _syntax(lines, error)
    except ReaderError as error:
        return None, _character(text, lines, error.position)
    except RecursionError:
        message = "The file is nested too deep."
        return None, problem_at(lines, "yaml-expansion", message, 1, 1, cure="Flatten the lists.")
    except (YAMLError, ValueError) as error:
        # A broken escape or directive ends up here, without a place.
        return None, problem_at(lines, "yaml-syntax", f"The file is not YAML: {error}.", 1, 1)


class _TooLargeError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Builder:
    """Turns YAML nodes into ours, copying what aliases repeat, up to a limit."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.problems: list[Problem] = []
        self._lines = lines
        self._nodes = 0
        self._open: set[int] = set()

    def build(self, node: Any) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self._nodes += 1
        if self._nodes > MOST_NODES or id(node) in self._open:
            what = "repeats itself without end" if id(node) in self._open else "grows too large"
            raise _TooLargeError(
                problem_at(
                    self._lines,
                    "yaml-expansion",
                    f"What is written here {what}: anchors and aliases may not expand so far.",
                    line,
                    column,
                    cure="Write the settings out, without `&` and `*`.",
                )
            )
        self._open.add(id(node))
        try:
            return self._convert(node, line, column)
        finally:
            self._open.discard(id(node))

    def _convert(self, node: Any, line: int, column: int) -> Node:
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return Node("mapping", line, column, entries=tuple(self._entries(node)))
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return Node("list", line, column, items=tuple(self.build(item) for item in node.value))
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}null":
            return Node("nothing", line, column)
        if isinstance(node, ScalarNode) and node.tag in _TEXT_TAGS:
            return Node(
                "text",
                line,
                column,
                text=node.value,
                quote=node.style or "",
                one_line=node.end_mark.line == node.start_mark.line,
            )
        shown = str(node.tag).replace(_TAG, "!!")
        self.problems.append(
            problem_at(
                self._lines,
                "yaml-tag",
                f"The type tag `{shown}` is refused: settings are texts, lists and mappings.",
                line,
                column,
                cure=f"Remove `{shown}`.",
            )
        )
        return Node("text", line, column, text=node.value if isinstance(node, ScalarNode) else "refused")

    def _entries(self, node: Any) -> Iterator[tuple[Node, Node]]:
        seen: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node)
            if key.kind != "text":
                message = f"A key is a text, not a {key.kind}."
                cure = "Write a plain word before the colon."
                self.problems.append(problem_at(self._lines, "wrong-kind", message, key.line, key.column, cure=cure))
                continue
            value = self.build(value_node)
            if key.text in seen:
                first = seen[key.text]
                self.problems.append(
                    problem_at(
                        self._lines,
                        "yaml-duplicate-key",
                        f"`{key.text}` is written twice; the first is in line {first.line}.",
                        key.line,
                        key.column,
                        cure="Keep one of the two.",
                    )
                )
                continue
            seen[key.text] = key
            yield key, value


def _syntax(lines: Sequence[str], error: Any) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    written = lines[line - 1] if line <= len(lines) else ""
    what = " ".join(str(part) for part in (error.context, error.problem) if part)
    cure = "Mind the indentation, the colons and the closing brackets and quotes."
    if written[column - 1 : column] == "\t":
        cure = "Indent with spaces: YAML takes no tabs."
    elif "mapping values are not allowed" in what:
        cure = "Put a text that holds a colon in quotes."
    elif "another document" in what:
        cure = "Keep one document: remove the line `---`."
    return problem_at(lines, "yaml-syntax", f"The file is not YAML: {what}.", line, column, cure=cure)


def _character(text: str, lines: Sequence[str], position: int) -> Problem:
    before = text[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    shown = f"U+{ord(text[position]):04X}" if position < len(text) else "a character"
    return problem_at(
        lines,
        "yaml-syntax",
        f"The file holds {shown}, which YAML does not allow.",
        line,
        column,
        cure="Remove the character, or write it as an escape in double quotes.",
    )
