"""Who may ask: bearer tokens with the roles viewer and operator, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac

from flask import Response, current_app, g, request

from towline.settings import ApiToken
from webhook.office import Office
from webhook.problems import problem

_OPEN = {"api.schema"}
"""The same for everyone, and asked for by editors, which have no token."""


def require_token() -> Response | None:
    """Before each request of the API: 401 without a known token, 403 for a viewer who acts."""
    if request.endpoint in _OPEN:
        return None
    office: Office = current_app.extensions["towline"]
    token = _token(office.settings.api_tokens)
    if token is None:
        detail = "send `Authorization: Bearer TOKEN` with a token of TOWLINE_API_TOKENS"
        return problem(401, "Unauthorized", detail, **{"WWW-Authenticate": "Bearer"})
    if request.method not in ("GET", "HEAD") and token.role != "operator":
        return problem(403, "Forbidden", "this needs a token with the role operator")
    g.actor = token.name
    return None


def _token(known: tuple[ApiToken, ...]) -> ApiToken | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    digest = hashlib.sha256(given.strip().encode("utf-8", "replace")).hexdigest()
    # Every hash is compared, whichever fits.
    fitting = [token for token in known if hmac.compare_digest(token.sha256, digest)]
    return fitting[0] if fitting and scheme.lower() == "bearer" else None
