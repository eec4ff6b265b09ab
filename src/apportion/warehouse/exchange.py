"""Where the driver of a cluster and workers that share no folder with it see the same files: in an object store."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pyarrow as pa

from apportion.warehouse.storage import ObjectStorage


class Exchange:
    """The files of one run where the driver of a cluster and workers that share no folder with it see them.

    Each has a path below `root` on the driver's machine, whether or not it is there, and is an object below a prefix
    of its own. What a killed run leaves there is swept like any file that no manifest lists.

    Args:
        storage: Where the objects lie.
        root: The folder of the run's files on this machine; its name is the prefix.
    """

    def __init__(self, storage: ObjectStorage, root: Path) -> None:
        self._storage = storage
        self._root = root
        self._sent = 0

    @property
    def url(self) -> str:
        """Of the store; keys are below it."""
        return self._storage.url

    def prefix(self, folder: Path) -> str:
        """Where workers write what belongs in a folder."""
        return f"{self._root.name}/{folder.relative_to(self._root).as_posix()}"

    def written(self, key: str) -> Path:
        """The path of an object that a worker wrote."""
        path = self._root / PurePosixPath(key).relative_to(self._root.name)
        self._storage.is_object(path, key)
        return path

    def key(self, file: Path) -> str:
        """The object that a file is; one that is only here is sent first.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        known = self._storage.object_of(file)
        if known is None:
            self._sent += 1
            known = f"{self._root.name}/sent/{self._sent}-{file.name}"
            self._storage.send(file, known)
            self._storage.is_object(file, known)
        return known

    def schema(self, file: Path) -> pa.Schema:
        """The columns of a Parquet file, wherever it is.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        return self._storage.schema(file)

    def here(self, file: Path) -> Path:
        """The file on this machine, fetched if it is not.

        Raises:
            ApportionError: The store does not answer or refuses.
        """
        return self._storage.fetched(file)

    def close(self) -> None:
        """Remove what the run left there, that of failed tasks too."""
        for address, _ in self._storage.files(self._root.name):
            self._storage.remove(address)
