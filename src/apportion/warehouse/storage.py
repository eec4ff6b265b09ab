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
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from apportion.errors import ApportionError
from apportion.warehouse.object_file import ObjectFile

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")


class Storage(Protocol):
    """The published files of one project. An address is what the manifest in the books calls a file."""

    @property
    def in_place(self) -> Path | None:
        """The folder that runs write into at once; None where their files are put there when they are whole."""

    def put(self, file: Path, name: str) -> str:
        """Keep a file for good; its address. Nothing points to it yet."""

    def path(self, address: str) -> Path:
        """What a file is called on this machine, whether or not it is here."""

    def local(self, address: str) -> Path:
        """Where a file can be read on this machine."""

    def fetched(self, file: Path) -> Path:
        """A file of this machine, copied from its object if it is one and is not here."""

    def holds(self, address: str) -> bool:
        """Whether a file is there."""

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

    def path(self, address: str) -> Path:
        """The file itself."""
        return self._project / PurePosixPath(address)

    def local(self, address: str) -> Path:
        """The file itself."""
        return self.path(address)

    def fetched(self, file: Path) -> Path:
        """The file: what lies in a folder is here."""
        return file

    def holds(self, address: str) -> bool:
        """Whether the file exists."""
        return self.path(address).exists()

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
        # Files by their path on this machine that are objects already: copies, and what workers wrote.
        self._objects: dict[Path, str] = {}
        with self._world(self._url):
            self._store = open_store(self._url)

    @property
    def url(self) -> str:
        """Of the prefix."""
        return self._url

    @property
    def in_place(self) -> Path | None:
        """None: an object is put whole."""
        return None

    def put(self, file: Path, name: str) -> str:
        """Keep a file under its name, and make sure that all of it arrived; an object is copied within the store.

        Raises:
            ApportionError: The store does not answer, refuses, or has another size than was sent.
        """
        staged = self._objects.get(file)
        if staged is None:
            self.send(file, name)
            return f"{self._url}/{name}"
        with self._world(f"{self._url}/{name}"):
            obstore.copy(self._store, staged, name)
            self._whole(name, obstore.head(self._store, staged)["size"])
        return f"{self._url}/{name}"

    def send(self, file: Path, name: str) -> None:
        """Upload a file, and make sure that all of it arrived.

        Raises:
            ApportionError: The store does not answer, refuses, or has another size than was sent.
        """
        with self._world(f"{self._url}/{name}"):
            obstore.put(self._store, name, file)
            self._whole(name, file.stat().st_size)

    def path(self, address: str) -> Path:
        """What the copy of an object is called."""
        name = self._name(address)
        copy = self._cache / hashlib.sha256(address.encode()).hexdigest()[:32] / PurePosixPath(name).name
        self._objects[copy] = name
        return copy

    def local(self, address: str) -> Path:
        """A copy of an object; one that is there already is not fetched again.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        return self.fetched(self.path(address))

    def holds(self, address: str) -> bool:
        """Whether the object is there.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        try:
            with self._world(address):
                obstore.head(self._store, self._name(address))
        except NotFoundError:
            return False
        return True

    def is_object(self, file: Path, name: str) -> None:
        """Note that a file of this machine is an object, whether or not it is here too."""
        self._objects[file] = name

    def object_of(self, file: Path) -> str | None:
        """The object that a file is, if it is one."""
        return self._objects.get(file)

    def fetched(self, file: Path) -> Path:
        """The file, copied from its object unless it is here.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        name = self._objects.get(file)
        if name is None or file.exists():
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with self._world(f"{self._url}/{name}"), partial.open("wb") as copy:
                for chunk in obstore.get(self._store, name).stream():
                    copy.write(chunk)
            partial.replace(file)
        except NotFoundError:
            # A file that is gone is found missing where it is read, like one that is gone from a folder.
            return file
        finally:
            partial.unlink(missing_ok=True)
        return file

    def schema(self, file: Path) -> pa.Schema:
        """The columns of a Parquet file, here or in its object.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        name = self._objects.get(file)
        if name is None or file.exists():
            return pq.read_schema(file)
        with self._world(f"{self._url}/{name}"):
            return pq.read_schema(ObjectFile(self._store, name))

    def files(self, below: str | None = None) -> Iterator[tuple[str, datetime]]:
        """Every object below the prefix, or below a name in it."""
        with self._world(self._url):
            for page in obstore.list(self._store, below):
                for meta in page:
                    yield f"{self._url}/{meta['path']}", meta["last_modified"]

    def remove(self, address: str) -> None:
        """Delete an object."""
        with self._world(address), suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, self._name(address))

    def _whole(self, name: str, size: int) -> None:
        arrived = obstore.head(self._store, name)["size"]
        if arrived != size:
            address = f"{self._url}/{name}"
            raise _unreachable(address, f"{size:,} bytes were sent, {arrived:,} arrived", refused=False)

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
