"""Did a dry-run apply change anything? And what that verdict depends on, to remember it by.

Some objects can't be proved unchanged from the object alone (an atomic list with a default inside,
say). For them the server is asked, and needs not be asked again while neither side has changed:
but for custom resources, whose defaults are those of a definition that may change.
"""

from __future__ import annotations

import hashlib
import json

from towline.core import fieldset
from towline.core.inventory import MANAGER
from towline.core.objects import Object

_BOOKKEEPING = ("managedFields", "resourceVersion", "generation")


def same(live: Object, predicted: Object) -> bool:
    """Whether a dry-run apply changed nothing: no field, and nothing of what we own."""
    if _content(live) != _content(predicted):
        return False
    return _owned(live) == _owned(predicted)


def digest_of(desired: Object, live: Object) -> str:
    """Names all that the verdict depends on: what is applied, and the live object without its
    status, its bookkeeping and what others own.

    What others own decides nothing: a field that we gave up makes our entry another, whether or not
    its value stays. Keyed before it leaves the host, for both may be secret.
    """
    content = {name: field for name, field in _content(live).items() if name != "status"}
    text = json.dumps([desired, content, _owned(live)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _content(body: Object) -> Object:
    metadata = {k: v for k, v in body["metadata"].items() if k not in _BOOKKEEPING}
    return {**body, "metadata": metadata}


def _owned(body: Object) -> tuple[object, object] | None:
    entry = fieldset.apply_entry(body, MANAGER)
    return (entry["apiVersion"], entry.get("fieldsV1")) if entry else None
