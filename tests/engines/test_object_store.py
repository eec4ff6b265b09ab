"""A warehouse in S3, for both engines: a real client against moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from apportion.period import Period
from apportion.project import Project
from apportion.report.statements import statements
from apportion.report.table import to_csv
from tests.engines.clusters import HOST
from tests.engines.twins import Way, copied, published, same

CASE = Path(__file__).resolve().parent.parent / "golden" / "all_methods"
BUCKET = "finance"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 with one empty bucket; its address."""
    made = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    with closing(HTTPConnection(host, port, timeout=30)) as client:
        client.request("PUT", f"/{BUCKET}")
        assert client.getresponse().status == 200
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the bucket, with credentials where the stores' own tools look for them."""
    given = {"ACCESS_KEY_ID": "me", "SECRET_ACCESS_KEY": "mine", "REGION": "us-east-1", "ENDPOINT_URL": server}
    for name, value in {**given, "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return f"s3://{BUCKET}"


@pytest.mark.parametrize(("engine", "far"), [("duckdb", False), ("spark", False), ("spark", True)])
def test_l7_a_warehouse_in_s3_holds_the_same(
    engine: str, far: bool, way: Way, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, remote = (copied(CASE, tmp_path / name / "project") for name in ("plain", "remote"))
    wanted = published(plain)
    prefix = f"{store}/{engine}-{far}"
    monkeypatch.setenv("APPORTION_WAREHOUSE", prefix)
    found = published(remote) if engine == "duckdb" else way.run(remote, number=0, far=far)
    same(wanted, found)
    project = Project.open(remote)
    assert not project.warehouse.exists(), "nothing of it lies in the project's folder"
    addresses = {address for address, _ in project.storage.files()}
    with project.books() as books, books.reading() as reading:
        run = reading.history()[0].run_id
        assert {part.path for part in reading.manifest(run)} == addresses
    assert all(address.startswith(f"{prefix}/") and run in address for address in addresses)
    with project.view(Period(2026, 11)) as view:
        shown = to_csv(statements(view.engine.connection, view.context, view.period))
    monkeypatch.delenv("APPORTION_WAREHOUSE")
    with Project.open(plain).view(Period(2026, 11)) as view:
        assert to_csv(statements(view.engine.connection, view.context, view.period)) == shown
