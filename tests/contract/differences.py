"""Where the sandbox is known to differ from a real API server.

The tests of the contract say what the real server does. Those named here fail on the sandbox:
each with the reason why that is left so.
"""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {
    "test_a_table_is_what_people_read": "kubectl prints plain lists too, if with fewer columns",
}

_PHASES = {".status.lastPhaseTransitionTime": "volumes stay in their first phase"}
_ESTABLISHED = {".status": "definitions are established before the answer"}
_TOKEN = "no service accounts: nobody mounts their tokens"
MADE_DIFFERENTLY: dict[str, dict[str, str]] = {
    "Pod": {
        ".spec.containers[0].volumeMounts": _TOKEN,
        ".spec.volumes[3]": _TOKEN,
    },
    "PersistentVolume": _PHASES,
    "PersistentVolume-full": _PHASES,
    "CustomResourceDefinition": _ESTABLISHED,
    "CustomResourceDefinition-full": _ESTABLISHED,
}
"""For the manifests of `bodies`: below which fields the sandbox fills or owns differently."""
