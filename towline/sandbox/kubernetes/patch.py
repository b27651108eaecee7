"""The patches other than apply: merge patch, JSON patch and strategic merge patch.

Strategic merge follows the shapes (merge keys, sets) and knows `$patch`, `$retainKeys`,
`$deleteFromPrimitiveList` and `$setElementOrder` (the last is ignored: order is not kept).
"""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.merge import clone
from towline.sandbox.kubernetes.shape import Shape
from towline.sandbox.kubernetes.status import StatusError, bad_request


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    document = clone(target)
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    name, path = operation.get("op"), operation.get("path", "")
    match name:
        case "add":
            return _add(document, path, clone(operation.get("value")))
        case "remove":
            return _remove(document, path)
        case "replace":
            _find(document, path)
            return _add(_remove(document, path), path, clone(operation.get("value")))
        case "test":
            if _find(document, path) != operation.get("value"):
                raise _refused()
            return document
        case "move" | "copy":
            source = operation.get("from", "")
            value = clone(_find(document, source))
            return _add(_remove(document, source) if name == "move" else document, path, value)
    raise bad_request(f"error decoding patch: unknown operation {name!r}")


def _refused() -> StatusError:
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message, {})


def _segments(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _step(node: Any, segment: str) -> Any:
    try:
        return node[int(segment)] if isinstance(node, list) else node[segment]
    except (KeyError, IndexError, ValueError, TypeError):
        raise _refused() from None


def _find(document: Any, path: str) -> Any:
    for segment in _segments(path):
        document = _step(document, segment)
    return document


def _add(document: Any, path: str, value: Any) -> Any:
    *parents, last = _segments(path) or [""]
    if not path:
        return value
    node = document
    for segment in parents:
        node = _step(node, segment)
    if isinstance(node, list):
        node.insert(len(node) if last == "-" else int(last), value)
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise _refused()
    return document


def _remove(document: Any, path: str) -> Any:
    _find(document, path)
    *parents, last = _segments(path)
    node = document
    for segment in parents:
        node = _step(node, segment)
    if isinstance(node, list):
        del node[int(last)]
    else:
        del node[last]
    return document


def strategic_patch(target: Any, patch: Any, shape: Shape) -> Any:
    """As kubectl's client-side apply sends it."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) and directive != "replace" else {}
    retained = patch.get("$retainKeys")
    if isinstance(retained, list):
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            result[field] = [item for item in result.get(field) or [] if item not in value]
        elif not name.startswith("$"):
            _patch_field(result, name, value, shape.child(name))
    return result


def _patch_field(result: dict[str, Any], name: str, value: Any, shape: Shape) -> None:
    if value is None:
        result.pop(name, None)
    elif isinstance(value, list):
        result[name] = _patch_list(result.get(name) or [], value, shape)
    else:
        result[name] = strategic_patch(result.get(name), value, shape)


def _patch_list(current: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    key = shape.merge_key
    if key is None:
        return patch
    if not key:
        return [*current, *(item for item in patch if item not in current)]
    if {"$patch": "replace"} in patch:
        return [item for item in patch if "$patch" not in item]
    result = list(current)
    for item in patch:
        place = next((i for i, held in enumerate(result) if held.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [held for held in result if held.get(key) != item.get(key)]
        elif place is None:
            result.append(strategic_patch({}, item, shape.item()))
        else:
            result[place] = strategic_patch(result[place], item, shape.item())
    return result
