"""Answers that went wrong on their way, or that somebody made up: what no meter may fall over."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from apportion.gateway.meters.frames import FrameSplitter
from tests.gateway.clients.shapes import EVENTS, FRAMES, Shape

# Stands where text stands, and is found wherever a meter has kept some. It is longer than any identifier.
TEXT: Final = 'She asked: "why\nis the sunset red?" ☕ ' * 6
_DEEP: Final = "\0deep\0"
_NOT_A_NUMBER: Final = "\0nan\0"
_WILD: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [None, True, False, -1, 0, -0.0, 1, 1.5, 7.0, 10**12, 10**12 + 1, 2**63, 2**64, 10**30, 1e308, -1e308, "", "12",
     "-3", "1e5", "1\u0662", "x", TEXT, [], [[]], {}, {"": {}}, [None], {"type": None}, _DEEP, _NOT_A_NUMBER,
     {"usage": {"prompt_tokens": 5}}, {"type": "message", "input_tokens": 5}]
)  # fmt: skip
_BYTES: Final = st.sampled_from(
    [b"", b"\n", b"\n\n", b"\r", b"\r\n\r\n", b"data:", b"data: ", b"data: [DONE]\n\n", b"\0", b"\xff\xfe", b"{", b"}",
     b"[", b"]", b'"', b",", b'"usage":', b'"usage":{"prompt_tokens":-5}', b": note\n\n", b"event: x\n",
     b"\xef\xbb\xbf",
     b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb", b"\x7f\xff\xff\xff\x00\x00\x00\x00"]
) | st.binary(max_size=12)  # fmt: skip


class Coder(NamedTuple):
    """How the documents of an answer stand in its bytes.

    Attributes:
        read: The document in a piece; None where there is none.
        write: A piece with another document in it.
    """

    read: Callable[[bytes], Any]
    write: Callable[[bytes, str], bytes]


def any_bytes() -> st.SearchStrategy[bytes]:
    """Bytes of no meaning, among them what has one for some meter."""
    return st.lists(_BYTES, max_size=30).map(b"".join) | st.binary(max_size=300)


@st.composite
def mutants(draw: st.DrawFn, shape: Shape) -> bytes:
    """An answer with other values in its documents, pieces gone, doubled or out of order, and bytes changed."""
    pieces = list(shape.pieces)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(pieces) - 1))
        pieces[at] = _with_wild_value(draw, shape, pieces[at])
    for _ in range(draw(st.integers(0, 2)) if len(pieces) > 1 else 0):
        at, to = draw(st.integers(0, len(pieces) - 1)), draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["delete", "double", "swap"])):
            case "delete" if len(pieces) > 1:
                del pieces[at]
            case "double":
                pieces.insert(to, pieces[at])
            case _:
                pieces[at], pieces[to] = pieces[to], pieces[at]
    return _with_wild_bytes(draw, b"".join(pieces))


def _with_wild_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        size = draw(st.integers(0, 20))
        match draw(st.sampled_from(["flip", "delete", "double", "insert", "cut"])):
            case "flip":
                body = (
                    body[:at]
                    + bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in body[at : at + 1])
                    + body[at + 1 :]
                )
            case "delete":
                body = body[:at] + body[at + size :]
            case "double":
                body = body[: at + size] + body[at:]
            case "insert":
                body = body[:at] + draw(_BYTES) + body[at:]
            case _:
                body = body[:at]
    return body


def _with_wild_value(draw: st.DrawFn, shape: Shape, piece: bytes) -> bytes:
    coder = _coder(shape)
    try:
        document = coder.read(piece)
    except (ValueError, KeyError, RecursionError):
        # It has been changed before, or is none.
        return piece
    places = list(_places(document))
    if not places:
        return piece
    holder, key = draw(st.sampled_from(places))
    wild = draw(_WILD)
    match draw(st.sampled_from(["replace", "delete", "add", "double"])):
        case "replace":
            holder[key] = wild
        case "delete":
            del holder[key]
        case "add" if isinstance(holder, dict):
            holder[draw(st.sampled_from(["usage", "type", "error", "id", "choices", "iterations", TEXT]))] = wild
        case _ if isinstance(holder, dict):
            # Which of two values counts is the parser's secret; it has only to be the same one each time.
            holder[f"{key}\0again"] = wild
        case _:
            holder.append(wild)
    text = json.dumps(document).replace("\\u0000again", "")
    text = text.replace(json.dumps(_DEEP), "[" * 3000 + "]" * 3000).replace(json.dumps(_NOT_A_NUMBER), "NaN")
    return coder.write(piece, text)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every place in a document where a value stands: what holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    todo = [document]
    while todo:
        here = todo.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        found += [(here, key) for key in keys]
        todo += [here[key] for key in keys]
    return found


def _coder(shape: Shape) -> Coder:
    if shape.kind == EVENTS:
        return Coder(_read_event, lambda piece, text: piece[: piece.index(b"data: ")] + f"data: {text}\n\n".encode())
    if shape.kind == FRAMES:
        packed = shape.path.endswith("invoke-with-response-stream")
        return Coder(_read_chunk if packed else _read_frame, _write_chunk if packed else _write_frame)
    return Coder(json.loads, lambda _, text: text.encode() + b"\n")


def _read_event(piece: bytes) -> Any:
    return json.loads(piece[piece.index(b"data: ") + 6 :])


def _read_frame(piece: bytes) -> Any:
    (found,) = FrameSplitter().feed(piece)
    return json.loads(found.payload)


def _read_chunk(piece: bytes) -> Any:
    return json.loads(b64decode(_read_frame(piece)["bytes"]))


def _write_frame(piece: bytes, text: str) -> bytes:
    # The headers stay as they are: they stand between the prelude of twelve bytes and the payload.
    size = int.from_bytes(piece[4:8])
    inside = piece[12 : 12 + size] + text.encode()
    prelude = (len(inside) + 16).to_bytes(4) + piece[4:8]
    made = prelude + zlib.crc32(prelude).to_bytes(4) + inside
    return made + zlib.crc32(made).to_bytes(4)


def _write_chunk(piece: bytes, text: str) -> bytes:
    return _write_frame(piece, json.dumps({"bytes": b64encode(text.encode()).decode(), "p": "ab"}))
