"""Where the files of published runs lie: a folder of the project, or an object store.

A file never changes once it has its name, so that a copy of it is as good as the file itself: objects are read
through copies in the project's cache. Credentials, regions and endpoints come from the environment (`AWS_...`,
`GOOGLE_...`, `AZURE_...`), as the stores' own tools read them (obstore 0.12 documentation, read 2026-11-24).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from apportion.errors import ApportionError

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")


class Storage(Protocol):
    """The published files of one project. An address is what the manifest in the books calls a file."""

    @property
    def in_place(self) -> Path | None:
        """The folder that runs write into at once; None where their files are put there when they are whole."""

    def put(self, file: Path, name: str) -> str:
        """Keep a file for good; its address. Nothing points to it yet."""

    def local(self, address: str) -> Path:
        """Where a file can be read on this machine."""

    def files(self) -> Iterator[tuple[str, datetime]]:
        """Every file that is there: its address, and when it was written."""

    def remove(self, address: str) -> None:
        """Give a file up, if it is there."""


class FolderStorage:
    """A folder inside the project; addresses are relative to the project.

    Args:
        project: The project's folder.
        root: The folder of all tables, inside it.
    """

    def __init__(self, project: Path, root: Path) -> None:
        self._project = project
        self._root = root

    @property
    def in_place(self) -> Path | None:
        """The folder of all tables."""
        return self._root

    def put(self, file: Path, name: str) -> str:
        """A file that was written in place stays where it is."""
        del name
        return file.relative_to(self._project).as_posix()

    def local(self, address: str) -> Path:
        """The file itself."""
        return self._project / PurePosixPath(address)

    def files(self) -> Iterator[tuple[str, datetime]]:
        """Every file below the folder."""
        for file in self._root.rglob("*"):
            with suppress(FileNotFoundError):
                if file.is_file():
                    yield file.relative_to(self._project).as_posix(), datetime.fromtimestamp(file.stat().st_mtime, UTC)

    def remove(self, address: str) -> None:
        """Remove a file, and its folder if it was the last."""
        file = self.local(address)
        with suppress(OSError):
            file.unlink()
            file.parent.rmdir()


class ObjectStorage:
    """A prefix in an object store; addresses are URLs.

    Args:
        url: `s3://bucket/prefix`, `gs://…` or `az://…`.
        cache: A folder for copies.
        open_store: Opens the prefix by its URL; another one serves tests.

    Raises:
        ApportionError: The address is none that can be opened.
    """

    def __init__(self, url: str, cache: Path, open_store: Callable[[str], ObjectStore] = from_url) -> None:
        self._url = url.rstrip("/")
        self._cache = cache
        with self._world(self._url):
            self._store = open_store(self._url)

    @property
    def in_place(self) -> Path | None:
        """None: an object is put whole."""
        return None

    def put(self, file: Path, name: str) -> str:
        """Upload a file, and make sure that all of it arrived.

        Raises:
            ApportionError: The store does not answer, refuses, or has another size than was sent.
        """
        address = f"{self._url}/{name}"
        with self._world(address):
            obstore.put(self._store, name, file)
            arrived = obstore.head(self._store, name)["size"]
        if arrived != file.stat().st_size:
            raise _unreachable(address, f"{file.stat().st_size:,} bytes were sent, {arrived:,} arrived", refused=False)
        return address

    def local(self, address: str) -> Path:
        """A copy of an object; one that is there already is not fetched again.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        name = self._name(address)
        copy = self._cache / hashlib.sha256(address.encode()).hexdigest()[:32] / PurePosixPath(name).name
        if copy.exists():
            return copy
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_name(f".{copy.name}.{os.getpid()}.part")
        try:
            with self._world(address), partial.open("wb") as file:
                for chunk in obstore.get(self._store, name).stream():
                    file.write(chunk)
            partial.replace(copy)
        except NotFoundError:
            # A file that is gone is found missing where it is read, like one that is gone from a folder.
            return copy
        finally:
            partial.unlink(missing_ok=True)
        return copy

    def files(self) -> Iterator[tuple[str, datetime]]:
        """Every object below the prefix."""
        with self._world(self._url):
            for page in obstore.list(self._store):
                for meta in page:
                    yield f"{self._url}/{meta['path']}", meta["last_modified"]

    def remove(self, address: str) -> None:
        """Delete an object."""
        with self._world(address), suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, self._name(address))

    def _name(self, address: str) -> str:
        return address.removeprefix(f"{self._url}/")

    @contextmanager
    def _world(self, address: str) -> Iterator[None]:
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            raise NotFoundError(str(error)) from error
        except BaseError as error:
            refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise _unreachable(address, reason, refused=refused) from error


def is_object_store(place: str) -> bool:
    """Whether a place is a URL of an object store."""
    return place.partition("://")[0] in SCHEMES


def _unreachable(address: str, reason: str, *, refused: bool) -> ApportionError:
    return ApportionError(
        "store-unreachable",
        f"{address}: the object store {'refuses' if refused else 'does not answer'}: {reason}",
        cure="check the name and the credentials in the environment (AWS_..., GOOGLE_..., AZURE_...)",
        retry=not refused,
    )
