"""`/api/v1`: what the command line asks and says."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, abort, current_app, g, jsonify, request

from towline.core.application import Application, json_schema
from towline.core.outcome import Status, Trigger, TriggerKind
from towline.core.steering import Steer, Verb
from towline.ports import Scope
from towline.settings import PLAN_TASK, PRUNE_TASK, RECONCILE_TASK, STEER_TASK
from webhook import abandoned
from webhook.access import require_token
from webhook.office import Office
from webhook.providers import BadPayloadError
from webhook.providers.base import parse_json

api = Blueprint("api", __name__, url_prefix="/api/v1")
api.before_request(require_token)

_MOST = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
Answer = tuple[Response, int] | Response


def _office() -> Office:
    office: Office = current_app.extensions["towline"]
    return office


def _application(name: str) -> Application:
    found = _office().documents().applications.get(name)
    if found is None:
        abort(404, f"there is no application {name[:80]!r}")
    return found


def _is_described(name: str) -> bool:
    return name in _office().documents().applications


@api.get("/applications")
def applications() -> Answer:
    office = _office()
    known = office.documents().applications
    statuses = office.ledger.statuses(list(known))
    items = [_view(application, statuses[name]) for name, application in known.items()]
    items += [abandoned.view(one, office) for one in abandoned.sets(office)]
    return jsonify(items=items, documents_error=office.documents.error)


@api.get("/applications/<name>")
def application(name: str) -> Answer:
    """By its document; without one, as the set that it left behind."""
    left = None if _is_described(name) else next(iter(abandoned.sets(_office(), name)), None)
    if left:
        return jsonify(abandoned.view(left, _office()))
    found = _application(name)
    return jsonify(_view(found, _office().ledger.status(name)))


def _view(application: Application, status: Any) -> dict[str, Any]:
    """The document in short, and how the last run left it."""
    source = application.source
    return {
        "name": application.name,
        "repository": source.repository,
        "follows": source.describes,
        "path": source.path,
        "cluster": application.destination.cluster,
        "namespace": application.destination.namespace,
        "automatic": application.sync.automatic,
        "status": (status or {}).get("status", Status.UNKNOWN),
        "message": (status or {}).get("message", ""),
        "source_error": _office().ledger.source_error(source.repository_id),
        "last_run": status,
    }


@api.get("/applications/<name>/runs")
def runs(name: str) -> Answer:
    """Also of an application that is gone, while they are kept."""
    limit = min(request.args.get("limit", 20, type=int) or 20, _MOST)
    found = _office().ledger.runs(name, limit=max(1, limit))
    if not found and not abandoned.sets(_office(), name):
        _application(name)
    return jsonify(items=found)


@api.get("/runs/<run_id>")
def run(run_id: str) -> Answer:
    found = _office().ledger.run(run_id)
    if found is None:
        abort(404, "there is no such run, or it is no longer kept")
    return jsonify(found)


@api.get("/applications/<name>/diff")
def last_diff(name: str) -> Answer:
    """The last fresh plan that was asked for, or the plan of the last run.

    Of an abandoned set, or with `?cluster=`: the last plan of pruning it.
    """
    cluster = request.args.get("cluster")
    if cluster or (not _is_described(name) and abandoned.sets(_office(), name)):
        return jsonify(abandoned.last_plan(_office(), name, cluster))
    _application(name)
    ledger = _office().ledger
    latest = next(iter(ledger.runs(name, limit=1)), None)
    asked = ledger.plan(name)
    if asked and (latest is None or asked["at"] >= latest["ended"]):
        return jsonify(asked)
    if latest is None or latest["plan"] is None:
        abort(404, "no run has planned yet")
    return jsonify({**latest["plan"], "at": latest["ended"]})


@api.post("/applications/<name>/diff")
def fresh_diff(name: str) -> Answer:
    _application(name)
    office = _office()
    asked = office.now()
    office.send(PLAN_TASK, [name])
    return jsonify(application=name, at=asked), 202


@api.post("/applications/<name>/sync")
def sync(name: str) -> Answer:
    """Have Git and the cluster looked at now, and the one made equal to the other."""
    found = _application(name)
    office = _office()
    repository = found.source.repository_id
    # A look that nobody has taken: every mirror is older, so the run fetches.
    office.looks.end(repository, office.looks.begin(repository))
    asked = office.now()
    trigger = Trigger(TriggerKind.SYNC, g.actor, asked)
    if office.marks.want(Scope.APPLICATION, name, trigger):
        seconds = found.sync.timeout.total_seconds()
        office.send(RECONCILE_TASK, [name], seconds=seconds)
    return jsonify(application=name, at=asked), 202


@api.post("/applications/<name>/suspend")
def suspend(name: str) -> Answer:
    return _steer(name, Verb.SUSPEND)


@api.post("/applications/<name>/resume")
def resume(name: str) -> Answer:
    return _steer(name, Verb.RESUME)


@api.post("/applications/<name>/approve")
def approve(name: str) -> Answer:
    """The body names the plan: `{"plan": DIGEST}`."""
    digest = _body().get("plan")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        abort(400, 'send {"plan": DIGEST} with the whole digest of the plan that waits')
    return _steer(name, Verb.APPROVE, digest)


def _steer(name: str, verb: Verb, value: str = "") -> Answer:
    _application(name)
    return _say(STEER_TASK, Steer(name, verb, g.actor, _office().now(), value))


@api.post("/applications/<name>/prune")
def prune(name: str) -> Answer:
    """Of an abandoned set: `{}` asks a worker for the plan, `{"plan": DIGEST}` has exactly that
    carried out; `"cluster"` says which, where there are several."""
    body = _body(or_nothing=True)
    cluster = abandoned.meant_cluster(_office(), name, body.get("cluster"))
    digest = body.get("plan", "")
    if not isinstance(digest, str) or not (digest == "" or _DIGEST.fullmatch(digest)):
        abort(400, 'send {} for the plan, or {"plan": DIGEST} with the whole digest to prune by')
    return _say(PRUNE_TASK, Steer(name, Verb.PRUNE, g.actor, _office().now(), digest, cluster))


def _say(task: str, said: Steer) -> Answer:
    """Send a person's word, signed."""
    office = _office()
    office.send(task, [said.signed(office.settings.signing_key)])
    told = {"cluster": said.cluster} if said.cluster else {}
    return jsonify(application=said.application, verb=said.verb, at=said.at, **told), 202


def _body(*, or_nothing: bool = False) -> dict[str, Any]:
    data = request.get_data(cache=False)
    try:
        return parse_json(b"{}" if or_nothing and not data else data)
    except BadPayloadError as error:
        abort(400, str(error))


@api.get("/deliveries")
def deliveries() -> Answer:
    limit = min(request.args.get("limit", 50, type=int) or 50, _MOST)
    return jsonify(items=_office().inbox.deliveries(limit=max(1, limit)))


@api.get("/schema.json")
def schema() -> Answer:
    """The JSON Schema of the documents, for editors."""
    return jsonify(json_schema())
