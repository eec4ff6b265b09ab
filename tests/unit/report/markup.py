"""Reads a page as a browser would: its tables cell by cell, its anchors and links."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})


@dataclass
class Seen:
    """A table of a page.

    Attributes:
        name: Of the kind of table.
        ident: Its anchor.
        rows: The headings first; cells that are pictures are left out.
    """

    name: str
    ident: str
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """A parsed page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Seen] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.headings: list[int] = []
        self._cell: list[str] | None = None
        self._picture = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        self.tags.append((tag, facts))
        if "id" in facts:
            self.ids.append(facts["id"])
        if "href" in facts:
            self.links.append(facts["href"])
        if tag == "table":
            self.tables.append(Seen(facts["data-table"], facts["id"]))
        elif tag == "tr" and self.tables:
            self.tables[-1].rows.append([])
        elif tag in ("th", "td"):
            self._picture = "picture" in facts.get("class", "").split()
            self._cell = []
        elif tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        if tag in ("th", "td") and self._cell is not None:
            if not self._picture:
                self.tables[-1].rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def of(self, name: str) -> list[Seen]:
        """The tables of a kind."""
        return [table for table in self.tables if table.name == name]


def as_machine(shown: str, kind: str) -> str:
    """A shown cell as CSV writes it: no separators, an ASCII minus, no percent sign, nothing for a dash."""
    if kind in ("text", "date") or shown == "n/a":
        return shown
    if shown == "\N{EN DASH}":
        return ""
    return shown.replace(",", "").replace("\N{MINUS SIGN}", "-").removesuffix(" %").removeprefix("+")
