"""The protobuf bodies that `kubectl create namespace` and its like send.

Only a few messages are known, and of them only what kubectl fills in. A body with anything
else is refused as a media type that is not supported, never read in part.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from towline.sandbox.kubernetes.status import StatusError, unsupported_media_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# For each message its fields by number: a name, and what is in it. `*` stands before the
# element of a list, `%` before the values of a map; `-` is read and left out.
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "Namespace": {1: ("metadata", "ObjectMeta"), 2: ("spec", "-"), 3: ("status", "-")},
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "%text"),
        3: ("binaryData", "%bytes"),
        4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "%bytes"),
        3: ("type", "text"),
        4: ("stringData", "%text"),
        5: ("immutable", "bool"),
    },
    "Deployment": {
        1: ("metadata", "ObjectMeta"),
        2: ("spec", "DeploymentSpec"),
        3: ("status", "-"),
    },
    "DeploymentSpec": {
        1: ("replicas", "int"),
        2: ("selector", "LabelSelector"),
        3: ("template", "PodTemplateSpec"),
        4: ("strategy", "-"),
        5: ("minReadySeconds", "-"),
        7: ("paused", "-"),
    },
    "LabelSelector": {1: ("matchLabels", "%text")},
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {
        2: ("containers", "*Container"),
        3: ("restartPolicy", "text"),
        6: ("dnsPolicy", "text"),
        8: ("serviceAccountName", "text"),
        9: ("serviceAccount", "text"),
        10: ("nodeName", "text"),
        11: ("hostNetwork", "bool"),
        12: ("hostPID", "bool"),
        13: ("hostIPC", "bool"),
        16: ("hostname", "text"),
        17: ("subdomain", "text"),
        19: ("schedulerName", "text"),
        24: ("priorityClassName", "text"),
    },
    "Container": {
        1: ("name", "text"),
        2: ("image", "text"),
        3: ("command", "*text"),
        4: ("args", "*text"),
        5: ("workingDir", "text"),
        6: ("ports", "*ContainerPort"),
        8: ("resources", "-"),
        13: ("terminationMessagePath", "text"),
        14: ("imagePullPolicy", "text"),
        16: ("stdin", "bool"),
        17: ("stdinOnce", "bool"),
        18: ("tty", "bool"),
        20: ("terminationMessagePolicy", "text"),
    },
    "ContainerPort": {
        1: ("name", "text"),
        2: ("hostPort", "int"),
        3: ("containerPort", "int"),
        4: ("protocol", "text"),
        5: ("hostIP", "text"),
    },
    "ObjectMeta": {
        1: ("name", "text"),
        2: ("generateName", "text"),
        3: ("namespace", "text"),
        4: ("selfLink", "-"),
        5: ("uid", "text"),
        6: ("resourceVersion", "text"),
        7: ("generation", "-"),
        8: ("creationTimestamp", "-"),
        11: ("labels", "%text"),
        12: ("annotations", "%text"),
    },
    "Unknown": {1: ("type", "TypeMeta"), 2: ("raw", "bytes"), 3: ("e", "-"), 4: ("c", "-")},
    "TypeMeta": {1: ("apiVersion", "text"), 2: ("kind", "text")},
}
_READABLE = frozenset({"Namespace", "ServiceAccount", "ConfigMap", "Secret", "Deployment"})


def decode(body: bytes) -> dict[str, Any]:
    """The object, as its JSON would say it; a 415 for what cannot be read whole."""
    try:
        return _decoded(body)
    except (IndexError, ValueError, KeyError) as error:
        raise _refused() from error


def _decoded(body: bytes) -> dict[str, Any]:
    if not body.startswith(_MAGIC):
        raise _refused()
    envelope = _message(body[len(_MAGIC) :], "Unknown")
    kind = envelope["type"]["kind"]
    if kind not in _READABLE:
        raise _refused()
    return {**envelope["type"], **_message(base64.b64decode(envelope["raw"]), kind)}


def _refused() -> StatusError:
    return unsupported_media_type("application/json", "application/yaml")


def _message(data: bytes, name: str) -> dict[str, Any]:
    fields = _MESSAGES[name]
    result: dict[str, Any] = {}
    for number, value in _wire(data):
        field, kind = fields[number]
        if kind[0] == "*":
            result.setdefault(field, []).append(_value(value, kind[1:]))
        elif kind[0] == "%":
            pair = dict(_wire(value))
            key = pair.get(1, b"").decode()
            result.setdefault(field, {})[key] = _value(pair.get(2, b""), kind[1:])
        elif kind != "-" and value not in (b"", 0):
            # The encoder writes every empty text and every zero; JSON leaves them out.
            result[field] = _value(value, kind)
    return result


def _value(value: Any, kind: str) -> Any:
    match kind:
        case "text":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "bool":
            return bool(value)
        case "int":
            return value
    return _message(value, kind)


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with an integer or with bytes."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise ValueError("the message ends too early")
            yield tag >> 3, data[place : place + length]
            place += length
        else:
            raise ValueError("a wire type that no known field has")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
