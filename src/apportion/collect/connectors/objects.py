"""Objects in S3, Google Cloud Storage and Azure, listed and copied to the cache.

Credentials, regions and endpoints come from the environment (`AWS_...`, `GOOGLE_...`, `AZURE_...`), as
the stores' own tools read them. Source: obstore 0.12 documentation (read 2026-11-23).
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from apportion.collect.connector import Found, Listing, Pattern, glob_parts, is_glob, matcher, scheme
from apportion.errors import ApportionError, Place, Problem

_AZURE = frozenset({"az", "azure", "adl", "abfs", "abfss"})


def _open(url: str) -> ObjectStore:
    return from_url(url)


class ObjectStoreConnector:
    """Finds objects by a glob below a bucket and streams them into the cache.

    Args:
        open_store: Opens a bucket by its URL; another one serves tests.
    """

    schemes: ClassVar[tuple[str, ...]] = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")

    def __init__(self, open_store: Callable[[str], ObjectStore] = _open) -> None:
        self._open_store = open_store

    def find(self, pattern: Pattern) -> Found:
        """List the objects that match, sorted by name.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        bucket, key = _bucket_and_key(pattern.path)
        fixed = glob_parts(key)[0] if is_glob(key) else key
        wanted = matcher(key)
        listings: list[Listing] = []
        try:
            store = self._open_store(bucket)
            if is_glob(key):
                metas = list(itertools.chain.from_iterable(obstore.list(store, fixed or None)))
            else:
                metas = [obstore.head(store, key)]
        except (NotFoundError, FileNotFoundError):
            metas = []
        except BaseError as error:
            raise _unreachable(pattern.path, error) from error
        for meta in metas:
            if wanted.fullmatch(meta["path"]):
                version = meta["e_tag"] or f"{meta['last_modified'].isoformat()}"
                address = f"{bucket}/{meta['path']}"
                listings.append(Listing(address, address, meta["size"], version))
        if listings:
            return Found(tuple(sorted(listings, key=lambda listing: listing.name)))
        return Found((), (_nothing(pattern),))

    def fetch(self, listing: Listing, cache: Path) -> Path:
        """Stream an object into the cache; the same version is not fetched twice.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        bucket, key = _bucket_and_key(listing.address)
        identity = f"{listing.address}\n{listing.version}\n{listing.size_bytes}"
        mark = hashlib.sha256(identity.encode()).hexdigest()
        target = cache / "objects" / mark[:32] / key.rsplit("/", 1)[-1]
        if listing.version and target.is_file() and target.stat().st_size == listing.size_bytes:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                for chunk in obstore.get(self._open_store(bucket), key).stream():
                    file.write(chunk)
            part.replace(target)
        except BaseError as error:
            raise _unreachable(listing.address, error) from error
        finally:
            part.unlink(missing_ok=True)
        return target


def _bucket_and_key(path: str) -> tuple[str, str]:
    """`s3://bucket` and the key inside it; Azure's bucket is account and container."""
    name = scheme(path)
    parts = path[len(name) + 3 :].split("/")
    depth = 2 if name in _AZURE and len(parts) > 2 else 1  # noqa: PLR2004 - account and container
    return f"{name}://{'/'.join(parts[:depth])}", "/".join(parts[depth:])


def _unreachable(path: str, error: BaseError) -> ApportionError:
    refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError, NotFoundError))
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ApportionError(
        "store-unreachable",
        f"{path}: the object store {'refuses' if refused else 'does not answer'}: {reason}",
        cure="check the name and the credentials in the environment (AWS_..., GOOGLE_..., AZURE_...)",
        retry=not refused,
    )


def _nothing(pattern: Pattern) -> Problem:
    return Problem(
        "no-file-matches",
        f"source {pattern.source!r}: no object matches {pattern.path!r}",
        place=Place(pattern.path),
        cure="correct `path:` or export the object there",
    )
