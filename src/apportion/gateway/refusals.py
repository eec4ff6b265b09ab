"""Answers of the gateway's own, in the form of error that the provider's clients understand."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

import orjson

Style = Literal["openai", "anthropic", "google", "bedrock"]

_ANTHROPIC: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_GOOGLE: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BEDROCK: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}


def rejection(style: Style, status: int, code: str, message: str, *, retry_after: int | None = None) -> bytes:
    """A whole answer, head and body, behind which the connection may stay.

    Args:
        style: Whose clients read it.
        status: Of HTTP.
        code: Ours, such as `key-unknown`.
        message: What is wrong and what to do.
        retry_after: In seconds.
    """
    said = f"apportion: {message}"
    headers: list[tuple[str, str]] = [("content-type", "application/json"), ("x-apportion-refused", code)]
    body: dict[str, object]
    if style == "anthropic":
        kind = _ANTHROPIC.get(status, "api_error")
        body = {"type": "error", "error": {"type": kind, "message": said}}
    elif style == "google":
        body = {"error": {"code": status, "message": said, "status": _GOOGLE.get(status, "INTERNAL")}}
    elif style == "bedrock":
        headers.append(("x-amzn-errortype", _BEDROCK.get(status, "InternalServerException")))
        body = {"message": said}
    else:
        kind = "invalid_request_error" if status < 500 and status != 429 else "api_error"  # noqa: PLR2004 - HTTP's
        body = {"error": {"message": said, "type": kind, "param": None, "code": code}}
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    return _whole(status, headers, orjson.dumps(body))


def problem(status: int, code: str, message: str, *, retry_after: int | None = None) -> bytes:
    """The same for a request to the gateway itself: a problem of RFC 9457."""
    headers = [("content-type", "application/problem+json"), ("x-apportion-refused", code)]
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    body = {"type": f"urn:apportion:{code}", "title": HTTPStatus(status).phrase, "status": status, "detail": message}
    return _whole(status, headers, orjson.dumps(body))


def plain(status: int, kind: str, content: bytes) -> bytes:
    """A whole answer of any kind.

    Args:
        status: Of HTTP.
        kind: Its content-type.
        content: Its body.
    """
    return _whole(status, [("content-type", kind)], content)


def _whole(status: int, headers: list[tuple[str, str]], content: bytes) -> bytes:
    reason = HTTPStatus(status).phrase
    said = [*headers, ("content-length", str(len(content)))]
    head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in said)
    return head.encode("latin-1") + b"\r\n" + content
