"""OpenTelemetry's own SDK sends its spans to a gateway that runs; each call is one record."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import SECRET, playing

SAID: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression, Compression.Deflate])
def test_the_sdk_s_exporter(tmp_path: Path, compression: Compression) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage:
        exporter = OTLPSpanExporter(
            f"http://127.0.0.1:{stage.port}/v1/traces",
            headers={"authorization": f"Bearer {SECRET}"},
            compression=compression,
        )
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            for _ in range(3):
                with tracer.start_as_current_span("chat gpt-4o", attributes=SAID):
                    pass
        provider.shutdown()
        found = stage.records(3)
        assert len(found) == 3
        assert len({record["record_id"] for record in found}) == 3
        for record in found:
            assert (record["via"], record["state"], record["uncached_input_tokens"]) == ("otlp", "measured", 100)
            assert record["tags"] == {"team": "search", "service.name": "shop"}
