"""Files of published runs in a folder and in an object store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from apportion.errors import ApportionError
from apportion.warehouse.storage import FolderStorage, ObjectStorage, is_object_store

URL = "s3://bucket/apportion"


def file(folder: Path, text: str = "rows") -> Path:
    path = folder / "claims" / "2026-11" / "run.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_folder_keeps_files_where_they_were_written(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path, tmp_path / "w")
    path = file(tmp_path / "w")
    address = storage.put(path, "claims/2026-11/run.parquet")
    assert address == "w/claims/2026-11/run.parquet"
    assert storage.local(address) == path
    assert [name for name, _ in storage.files()] == [address]
    storage.remove(address)
    storage.remove(address)
    assert not path.parent.exists()


def test_an_object_is_put_whole_and_read_through_one_copy(tmp_path: Path) -> None:
    store = MemoryStore()
    storage = ObjectStorage(URL, tmp_path / "cache", lambda _: store)
    assert storage.in_place is None
    address = storage.put(file(tmp_path), "claims/2026-11/run.parquet")
    assert address == f"{URL}/claims/2026-11/run.parquet"
    ((found, written),) = storage.files()
    assert found == address
    assert written <= datetime.now(UTC)
    copy = storage.local(address)
    assert copy.read_text() == "rows"
    assert copy.name == "run.parquet"
    obstore.put(store, "claims/2026-11/run.parquet", b"an object never changes, so that this is not looked for")
    assert storage.local(address).read_text() == "rows"
    storage.remove(address)
    storage.remove(address)
    assert list(storage.files()) == []


def test_what_is_gone_is_found_missing_where_it_is_read(tmp_path: Path) -> None:
    storage = ObjectStorage(URL, tmp_path / "cache", lambda _: MemoryStore())
    assert not storage.local(f"{URL}/claims/2026-11/run.parquet").exists()


def test_a_store_that_does_not_answer_is_said_with_its_address(tmp_path: Path) -> None:
    def silent(_: str) -> MemoryStore:
        raise GenericError("connection refused\n\nDebug source: …")

    with pytest.raises(ApportionError, match="s3://bucket/apportion: the object store does not answer") as caught:
        ObjectStorage(URL, tmp_path, silent)
    assert caught.value.slug == "store-unreachable"
    assert "Debug" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "expected"), [(URL, True), ("gs://b", True), ("az://a/c", True), ("w", False), ("file:///w", False)]
)
def test_which_places_are_object_stores(place: str, expected: bool) -> None:
    assert is_object_store(place) is expected
