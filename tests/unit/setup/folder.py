"""A folder of somebody's own files, and what would be proposed for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from apportion.setup.files import DataFile
from apportion.setup.proposal import Proposal, Question, propose
from apportion.setup.recognition import Recognised, Unknown, recognise
from apportion.setup.sample import Sample
from apportion.setup.sources import Item
from tests.errors.folder import BILL_HEAD, bill, call, charge, usage

KEYS = "api_key_id,team\nk-1,search\nk-2,growth\n"
PEOPLE = "person,team,valid_from\nu-1,search,2026-01-01\nu-2,growth,2026-01-01\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files, and the folders above them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def defaults(question: Question) -> str:
    """Every default."""
    return question.default


def proposed(folder: Path, scratch: Path, *paths: Path) -> Proposal:
    """What would be proposed for a folder, with every default."""
    return propose(paths or [folder], folder, scratch, defaults)


def sample(text: str) -> Sample:
    """The records of a CSV text without quotes."""
    header, *rows = [line.split(",") for line in text.strip().splitlines()]
    return Sample(tuple(header), tuple(tuple(value or None for value in row) for row in rows))


def seen(text: str, name: str = "file.csv") -> Recognised | Unknown:
    """What a CSV text is taken for."""
    return recognise(sample(text), name)


def item(name: str, table: str = "charges", header: tuple[str, ...] = ("a",), **more: object) -> Item:
    """A recognised file that is not there."""
    made = Recognised(table, table, **more)  # type: ignore[arg-type]
    return Item(DataFile(Path(name), name, "csv"), Sample(header, (tuple("1" for _ in header),)), made)


def calls(*, key: str = "", user: str = "", **tags: str) -> str:
    """One call as a JSON line."""
    row = {"called_at": "2026-11-03T10:00:00Z", "provider": "openai", "model": "gpt-4o", "input_tokens": 1000}
    return json.dumps({**row, "output_tokens": 10, "api_key_id": key, "user_id": user, "tags": tags}) + "\n"


__all__ = [
    "BILL_HEAD",
    "KEYS",
    "PEOPLE",
    "bill",
    "call",
    "calls",
    "charge",
    "defaults",
    "item",
    "proposed",
    "sample",
    "seen",
    "usage",
    "write",
]
