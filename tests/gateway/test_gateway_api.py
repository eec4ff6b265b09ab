"""The document of the gateway's HTTP API says what the gateway does: by its names, and against a running one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks as response_checks
from schemathesis.specs.openapi import checks as document_checks

from apportion import __version__
from apportion.focus import TABLES
from apportion.gateway.receivers import posted, rows
from apportion.gateway.receivers.table import PATHS
from tests.conftest import ROOT
from tests.gateway.answers import says
from tests.gateway.stage import SECRET, Caller, Stage, playing, request

PLACE = ROOT / "docs" / "schema" / "gateway-api.json"
DOCUMENT: dict[str, Any] = json.loads(PLACE.read_text(encoding="utf-8"))


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """Whatever was made up, as a body of lines."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# Others' instants and sums between columns are beyond what a schema says, and a body with one bad row is taken.
CHECKS = [
    response_checks.not_a_server_error,
    document_checks.status_code_conformance,
    document_checks.content_type_conformance,
    document_checks.response_schema_conformance,
    document_checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with playing(says(), tmp_path_factory.mktemp("log")) as made:
        yield made


@SCHEMA.parametrize()
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_running_gateway_does_what_is_documented(case: Any, stage: Stage) -> None:
    address = f"http://127.0.0.1:{stage.port}"
    answer = case.call_and_validate(base_url=address, headers={"x-apportion-key": SECRET}, checks=CHECKS)
    assert answer.status_code != 401
    if case.operation.method == "post" and answer.status_code == 200:
        said = answer.json()
        assert isinstance(case.body, bytes | str) or said["accepted"] + said["rejected"] == len(case.body)


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/litellm"])
@pytest.mark.parametrize(
    ("brought", "code"), [(None, "key-needed"), ("apk-of-nobody", "key-unknown"), ("sk-of-somebody", "key-needed")]
)
def test_who_brings_no_key_is_refused(stage: Stage, path: str, brought: str | None, code: str) -> None:
    with Caller(stage) as caller:
        status, headers, body = caller.send(request(path, b"[]", secret=brought)).answer()
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert json.loads(body)["type"] == f"urn:apportion:{code}"


def test_the_columns_are_those_that_are_read() -> None:
    row = DOCUMENT["components"]["schemas"]["Row"]
    assert tuple(row["properties"]) == rows.COLUMNS
    meanings = {column.name: column.meaning for column in TABLES["usage"].columns}
    assert {name: said["description"] for name, said in row["properties"].items() if name in meanings} == {
        name: meanings[name] for name in rows.COLUMNS if name in meanings
    }


def test_the_bounds_are_those_that_hold() -> None:
    for path in ("/v1/usage", "/v1/litellm"):
        body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]
        assert body["application/json"]["schema"]["maxItems"] == posted.MOST_ROWS
    assert DOCUMENT["components"]["schemas"]["Taken"]["properties"]["errors"]["maxItems"] == posted.MOST_SHOWN
    assert DOCUMENT["info"]["version"] == __version__


def test_every_path_of_rows_is_documented() -> None:
    own = {"/healthz", "/readyz"}
    documented = set(DOCUMENT["paths"]) - own
    assert documented <= set(PATHS)
    assert {path for path, (module, _) in PATHS.items() if module in {"rows", "litellm"}} == documented
