"""Wires the Flask application: settings, Redis, the sender of tasks, the routes."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from flask import Flask, Response, jsonify
from redis import Redis
from redis.exceptions import RedisError

from towline import settings as names
from towline.adapters.documents import DocumentFiles
from towline.adapters.redis import RedisInbox, RedisLedger, RedisLooks, RedisMarks, connect
from webhook import problems
from webhook.api import api
from webhook.office import Office, Sender
from webhook.receive import MAX_BODY, hooks


def create_app(settings: names.Settings | None = None, send: Sender | None = None) -> Flask:
    """The WSGI application; `gunicorn 'webhook.app:create_app()'`."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    settings = settings or names.load()
    redis = connect(settings.redis_url)
    office = Office(
        settings=settings,
        documents=DocumentFiles(settings.applications, protocols=settings.git_protocols),
        inbox=RedisInbox(redis),
        ledger=RedisLedger(redis),
        marks=RedisMarks(redis),
        looks=RedisLooks(redis),
        send=send or _celery_sender(settings),
        now=time.time,
        redis_answers=lambda: _answers(redis),
    )
    app = Flask("webhook", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.extensions["towline"] = office
    app.register_blueprint(hooks)
    app.register_blueprint(api)
    problems.register(app)
    _add_health(app, office)
    return app


def _celery_sender(settings: names.Settings) -> Sender:
    """Sends by name: this process knows no task's code."""
    celery = Celery("towline-webhook", set_as_current=False)
    celery.conf.update(settings.broker_options())

    def send(task: str, arguments: Sequence[Any], *, seconds: float | None = None) -> None:
        limits = names.time_limits(seconds)
        celery.send_task(task, args=list(arguments), queue=names.PUSH_QUEUE, retry=False, **limits)

    return send


def _add_health(app: Flask, office: Office) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        """Each dependency by name; 503 if this process cannot do its work.

        Documents in error are no reason while the last good ones are in force. What exactly is
        wrong with them is for those who may see documents: GET /api/v1/applications.
        """
        known = office.documents().applications
        answers = office.redis_answers()
        checks = {
            "redis": "ok" if answers else "does not answer",
            "documents": "in error" if office.documents.error else "ok",
        }
        ready = answers and bool(known or not office.documents.error)
        return jsonify(ready=ready, checks=checks), 200 if ready else 503


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
