"""Bodies whose coding the meters do not know: unpacked with the library that the client itself has for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

Unpack = Callable[[bytes], bytes]

# The libraries that urllib3, httpx2 and aiohttp look for, read 2026-11-27.
_BROTLI: Final = ("brotli", "brotlicffi")
_ZSTANDARD: Final = ("compression.zstd", "backports.zstd", "zstandard")


def unpacker(coding: str) -> Unpack | None:
    """What undoes a coding piece by piece; None where no library is there that could.

    Args:
        coding: As `content-encoding` names it.
    """
    if coding == "br":
        module = _first(_BROTLI)
        if module is None:
            return None
        made = module.Decompressor()
        return getattr(made, "process", None) or made.decompress  # type: ignore[no-any-return]
    if coding == "zstd":
        module = _first(_ZSTANDARD)
        if module is None:
            return None
        if hasattr(module, "ZstdDecompressor") and not hasattr(module.ZstdDecompressor, "decompressobj"):
            return module.ZstdDecompressor().decompress  # type: ignore[no-any-return]
        return module.ZstdDecompressor().decompressobj().decompress  # type: ignore[no-any-return]
    return None


def _first(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
