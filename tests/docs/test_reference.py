"""The reference pages name every command, option and setting, and every link leads somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from apportion import cli
from tests.docs.pages import DOCS, ROOT, pages

LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
# Every command has these from Typer itself.
TYPER_OWN = {"--help", "--install-completion", "--show-completion"}
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def commands() -> dict[str, Any]:
    """Every command by its words, those of a group behind its name."""
    found: dict[str, Any] = {}
    waiting = list(getattr(typer.main.get_command(cli.app), "commands", {}).items())
    while waiting:
        name, command = waiting.pop(0)
        inner = getattr(command, "commands", None)
        if inner is None:
            found[name] = command
        else:
            waiting += [(f"{name} {word}", each) for word, each in inner.items()]
    return found


def section(page: str, title: str) -> str:
    """What stands under a heading of level two whose first word in code is the title."""
    parts = re.split(r"^## ", page, flags=re.MULTILINE)
    return next((part for part in parts if re.match(rf"`{title}\b(?! [a-z])", part)), "")


def test_every_command_and_option_is_documented() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    everywhere = section(page, "apportion")
    missing = []
    for name, command in commands().items():
        own = section(page, name)
        if not own:
            missing.append(name)
        options = {o for p in command.params for o in p.opts if o.startswith("--")} - TYPER_OWN
        missing += [f"{name} {o}" for o in sorted(options) if f"`{o}" not in own and f"`{o}" not in everywhere]
    assert missing == []


def test_no_command_is_documented_that_does_not_exist() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    titles = set(re.findall(r"^## `([a-z]+(?: [a-z]+)?)", page, flags=re.MULTILINE)) - {"apportion"}
    assert titles - set(commands()) == set()


def settings_of(schema: object) -> Iterator[str]:
    """Every property name, at any depth of a JSON Schema."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from settings_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from settings_of(value)


def test_every_setting_is_documented() -> None:
    schemas = sorted((DOCS / "schema").glob("*.schema.json"))
    assert schemas, "docs/schema holds no JSON Schema"
    page = (DOCS / "project.md").read_text(encoding="utf-8")
    named = {word for span in re.findall(r"`([^`\n]+)`", page) for word in re.findall(r"\w+", span)}
    wanted = {name for path in schemas for name in settings_of(json.loads(path.read_text(encoding="utf-8")))}
    assert wanted - named == set()


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get on GitHub."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target, anchor in LINK.findall(text):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(f"{target}#{anchor}")
    assert broken == []
