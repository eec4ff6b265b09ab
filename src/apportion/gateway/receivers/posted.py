"""A request's body of many rows, a JSON list or one object a line, and the answer that says what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson

from apportion.gateway.receivers.receiver import Answered, Received

MOST_ROWS: Final = 10_000
# More faults than a person reads are counted and not told.
MOST_SHOWN: Final = 100
LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_KINDS: Final = LINES | {"application/json"}
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Fault(NamedTuple):
    """What is wrong with a row.

    Attributes:
        column: Of it; None where the row itself is meant.
        reason: What is wrong. It never holds what stands in a column whose name is not known.
        cure: What to do.
    """

    column: str | None
    reason: str
    cure: str


class Row(NamedTuple):
    """One row of a body.

    Attributes:
        number: In a list its place, else its line; the first is 1.
        found: The object; or what is wrong, where it is none.
    """

    number: int
    found: Mapping[str, Any] | Fault


class UnreadableError(Exception):
    """Nothing of a body can be used.

    Args:
        status: Of HTTP.
        code: Ours.
        message: For people: what is wrong and what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def rows_of(received: Received) -> list[Row]:
    """The rows of a body.

    Raises:
        UnreadableError: It is of another kind, has no row, or too many.
    """
    _expect_json(received.headers.get("content-type", ""))
    body = received.body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise UnreadableError(400, "body-empty", "there is nothing in the body; send rows as a JSON list or as lines")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Clients send lines under the name of JSON, too: where they are lines, they are read as such. A list that was
        # cut off is none, although one of its lines may be an object.
        if body.lstrip().startswith(b"["):
            raise _no_json(str(error)) from None
        return _lines(body, str(error))
    rows = document if isinstance(document, list) else [document]
    _bounded(len(rows))
    return [Row(number, _object(each)) for number, each in enumerate(rows, start=1)]


def _expect_json(content_type: str) -> None:
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind and kind not in _KINDS:
        how = "send `content-type: application/x-ndjson`, or `application/json` with a list"
        raise UnreadableError(415, "kind-unknown", f"content-type `{kind[:100]}` is not read; {how}")
    name, _, charset = parameters.strip().lower().partition("=")
    if name.strip() == "charset" and charset.strip(' "') not in {"utf-8", "utf8", "us-ascii"}:
        raise UnreadableError(415, "charset-unknown", "JSON is UTF-8, and no other character set is read")


def _lines(body: bytes, whole: str) -> list[Row]:
    """The rows of a body of lines; an empty line is none."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    _bounded(len(lines))
    rows = [Row(number, _object_of(line)) for number, line in lines]
    if len(lines) == 1 or all(isinstance(row.found, Fault) for row in rows):
        raise _no_json(whole)
    return rows


def _no_json(why: str) -> UnreadableError:
    return UnreadableError(400, "body-no-json", f"the body is no JSON: {why}")


def _object_of(line: bytes) -> Mapping[str, Any] | Fault:
    try:
        return _object(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return Fault(None, f"the line is no JSON: {error}", "write one object a line, and each in one line")


def _object(found: Any) -> Mapping[str, Any] | Fault:
    return found if isinstance(found, dict) else Fault(None, "the row is no JSON object", 'write {"provider": …, …}')


def _bounded(number: int) -> None:
    if number > MOST_ROWS:
        raise UnreadableError(413, "too-many-rows", f"{number} rows are more than {MOST_ROWS}; send less at a time")


class Tally:
    """What became of the rows of a body: each is accepted or rejected."""

    def __init__(self) -> None:
        self._groups: list[Sequence[Mapping[str, Any]]] = []
        self._rejected = 0
        self._shown: list[dict[str, Any]] = []
        self._unseen = 0

    @property
    def full(self) -> bool:
        """Whether no further fault will be told."""
        return len(self._shown) >= MOST_SHOWN

    def accept(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Count a row as good.

        Args:
            records: That it becomes.
        """
        self._groups.append(records)

    def reject(self, number: int, *faults: Fault) -> None:
        """Count a row as bad.

        Args:
            number: Of the row.
            faults: All that is wrong with it; at least one.
        """
        self._rejected += 1
        room = MOST_SHOWN - len(self._shown)
        self._shown += [{"row": number, **fault._asdict()} for fault in faults[:room]]
        self._unseen += len(faults[room:])

    def answered(self) -> Answered:
        """The answer: a problem where all of some rows are bad."""
        accepted = len(self._groups)
        said: dict[str, Any] = {"accepted": accepted, "rejected": self._rejected}
        said |= {"errors": self._shown, "errors_not_shown": self._unseen}
        counts = {"accepted": accepted, "rejected": self._rejected}
        if self._rejected and not accepted:
            first = self._shown[0]
            detail = f"none of the {self._rejected} rows can be taken; row {first['row']}: {first['reason']}"
            body = orjson.dumps({**_head(422, "rows-refused", detail), **said})
            return Answered(422, _PROBLEM, body, counts=counts)
        return Answered(200, _JSON, orjson.dumps(said), tuple(self._groups), counts)


def refusal(error: UnreadableError) -> Answered:
    """The answer to a body of which nothing can be used: a problem of RFC 9457."""
    head = _head(error.status, error.code, str(error))
    return Answered(error.status, _PROBLEM, orjson.dumps(head), counts={"unreadable": 1})


def _head(status: int, code: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:apportion:{code}", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
