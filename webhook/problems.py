"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str = "", **headers: str) -> Response:
    body = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return Response(
        json.dumps(body),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def register(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        answer = problem(error.code or 500, error.name, error.description or "")
        for name, value in error.get_headers():
            if name in ("Allow", "WWW-Authenticate", "Retry-After"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(RedisError)
    def _redis(error: RedisError) -> Response:
        log.warning("Redis does not answer: %s", error)
        detail = "Redis does not answer: nothing was done. Try again."
        return problem(503, "Service Unavailable", detail, **{"Retry-After": "5"})

    @app.errorhandler(OperationalError)
    def _broker(error: OperationalError) -> Response:
        log.warning("the broker does not answer: %s", error)
        detail = "The broker does not answer, so that no worker was asked. Send it again."
        return problem(503, "Service Unavailable", detail, **{"Retry-After": "5"})

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.error("an unexpected error", exc_info=error)
        return problem(500, "Internal Server Error", "An unexpected error; the log has it.")
