"""An object in a store as a file: what readers of Parquet need of it, here and on a worker.

The file that obstore itself opens has no `closed` (0.12.1, seen 2026-11-26), without which pyarrow takes it for closed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import obstore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore.store import ObjectStore


class ObjectFile(io.RawIOBase):
    """An object as a file that can be read at any place: a request for each range.

    Args:
        store: Where it is.
        key: What it is called there.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._size = obstore.head(store, key)["size"]
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; its number."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what fits, in one request; how much it was."""
        into = memoryview(buffer)
        length = min(len(into), self._size - self._at)
        if length <= 0:
            return 0
        into[:length] = memoryview(obstore.get_range(self._store, self._key, start=self._at, length=length))
        self._at += length
        return length
