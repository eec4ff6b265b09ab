"""JSON documents as records: a list of objects, or a page that holds one, such as an API answers with.

A document is read as a whole and stays in memory: a call's record may hold a prompt, and no text of it is written
anywhere (law L10).
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from apportion.normalize.bytestream import UnreadableFile, open_bytes

_MOST_BYTES: Final = 256 << 20
# What a page calls its list: OpenAI, Anthropic and LiteLLM `data`, GitHub `usageItems` and `seats`, others the rest.
_LISTS: Final = ("data", "items", "records", "rows", "results", "usageItems", "seats")
# The usage and cost reports of OpenAI and Anthropic are pages of time buckets, each with its results; their API
# references, read 2026-11-27.
_BUCKET: Final = "results"
_LINES: Final = "write one object a line, as .jsonl"


def document_records(path: Path, *, packed: bool) -> list[str]:
    """The records of a document, each as the text of one JSON value on one line, in their order.

    Numbers become strings with the text that was written, so that no digit is lost. Of a page whose records are
    buckets with `results` each result is a record, which takes the bucket's other fields where it has none of its own.

    Args:
        path: The file.
        packed: Whether it is gzip.

    Raises:
        UnreadableFile: It is no JSON, too large, or holds no list of records or several.
    """
    try:
        with open_bytes(path, packed=packed) as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"it cannot be read: {error}", "copy or export the file again") from error
    if len(content) > _MOST_BYTES:
        raise UnreadableFile(f"one document of more than {_MOST_BYTES >> 20} MiB is not read", _LINES)
    try:
        with io.TextIOWrapper(io.BytesIO(content), "utf-8-sig") as text:
            found = json.load(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except RecursionError as error:
        raise UnreadableFile("it is nested too deeply to be records", _LINES) from error
    except ValueError as error:
        raise UnreadableFile(f"it is no JSON document: {error}", f"export it again; or {_LINES}") from error
    return [json.dumps(record, ensure_ascii=False) for record in _records(found)]


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no number")


def _records(found: Any) -> Iterator[Any]:
    if isinstance(found, list):
        yield from found
        return
    if not isinstance(found, dict):
        raise UnreadableFile("it holds one value and no records", _LINES)
    lists = [key for key in _LISTS if isinstance(found.get(key), list)]
    if not lists:
        raise UnreadableFile(f"it is one object without a list of records under {' or '.join(_LISTS)}", _LINES)
    if len(lists) > 1:
        raise UnreadableFile(f"it holds several lists, {' and '.join(lists)}", f"choose one, and {_LINES}")
    for record in found[lists[0]]:
        results = record.get(_BUCKET) if isinstance(record, dict) else None
        if isinstance(results, list) and all(isinstance(each, dict) for each in results):
            around = {key: value for key, value in record.items() if key != _BUCKET}
            yield from ({**around, **each} for each in results)
        else:
            yield record
