"""Objects in a store are listed by a glob and copied once; a silent store may be tried again."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import MemoryStore, ObjectStore

from apportion.collect.connector import by_scheme
from apportion.collect.connectors.objects import ObjectStoreConnector
from apportion.collect.sync import Collected, SourceSpec, collect
from apportion.errors import ApportionError


class Shelf:
    """A store in memory that counts how often it is opened and by which address."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.opened: list[str] = []

    def open(self, url: str) -> ObjectStore:
        self.opened.append(url)
        return self.store


def gather(shelf: Shelf, folder: Path, path: str) -> Collected:
    connectors = by_scheme([ObjectStoreConnector(shelf.open)])
    return collect(folder, [SourceSpec("focus", "charges", path)], folder / "cache", connectors=connectors)


def test_objects_are_listed_and_streamed_to_the_cache(tmp_path: Path) -> None:
    shelf = Shelf()
    for name in ("exports/2026/a.csv", "exports/2026/10/b.csv.gz", "exports/other.txt", "else/c.csv"):
        obstore.put(shelf.store, name, name.encode())
    found = gather(shelf, tmp_path, "s3://bucket/exports/**/*.csv*")
    assert [o.name for o in found.objects] == [
        "s3://bucket/exports/2026/10/b.csv.gz",
        "s3://bucket/exports/2026/a.csv",
    ]
    assert found.objects[1].local_path.read_bytes() == b"exports/2026/a.csv"
    assert set(shelf.opened) == {"s3://bucket"}


def test_one_object_by_its_name_and_one_that_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf()
    obstore.put(shelf.store, "a.csv", b"x")
    assert [o.name for o in gather(shelf, tmp_path, "gs://bucket/a.csv").objects] == ["gs://bucket/a.csv"]
    assert [p.slug for p in gather(shelf, tmp_path, "gs://bucket/b.csv").problems] == ["no-file-matches"]
    assert [p.slug for p in gather(shelf, tmp_path, "gs://bucket/b*.csv").problems] == ["no-file-matches"]


def test_an_azure_bucket_is_account_and_container(tmp_path: Path) -> None:
    shelf = Shelf()
    obstore.put(shelf.store, "bills/a.csv", b"x")
    assert len(gather(shelf, tmp_path, "az://account/container/bills/*.csv").objects) == 1
    assert shelf.opened[0] == "az://account/container"


def test_a_changed_object_is_fetched_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    shelf = Shelf()
    obstore.put(shelf.store, "a.csv", b"one")
    first = gather(shelf, tmp_path, "s3://bucket/*.csv").objects[0]
    opened = len(shelf.opened)
    assert gather(shelf, tmp_path, "s3://bucket/*.csv").objects[0] == first
    assert len(shelf.opened) == opened + 1
    obstore.put(shelf.store, "a.csv", b"two")
    second = gather(shelf, tmp_path, "s3://bucket/*.csv").objects[0]
    assert second.local_path.read_bytes() == b"two"
    assert second.sha256 != first.sha256


@pytest.mark.parametrize(("error", "retry"), [(GenericError("down"), True), (PermissionDeniedError("no"), False)])
def test_a_store_that_fails_says_whether_to_try_again(tmp_path: Path, error: Exception, retry: bool) -> None:
    def broken(_: str) -> ObjectStore:
        raise error

    connectors = by_scheme([ObjectStoreConnector(broken)])
    spec = SourceSpec("focus", "charges", "s3://bucket/a.csv")
    with pytest.raises(ApportionError) as raised:
        collect(tmp_path, [spec], tmp_path / "cache", connectors=connectors)
    assert raised.value.slug == "store-unreachable"
    assert raised.value.retry is retry
