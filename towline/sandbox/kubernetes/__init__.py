"""A Kubernetes API server in memory, for the demo and the tests.

It speaks plain HTTP on loopback, well enough for kubectl, the official client and any HTTP
library: discovery, create, read, list, watch, update, the four patches, server-side apply with
real managedFields, delete with preconditions and finalizers, custom resources.

What it never does, unlike a real cluster:

- No controllers: no pods come of a Deployment, no status fills, no endpoints, no garbage
  collection by ownerReferences, no service accounts in new namespaces. (Namespaces and
  definitions do take their content with them, at once.)
- No admission: no webhooks, quotas, limit ranges, pod security or priorities.
- No authorisation: whoever has the token may do everything.
- Validation and defaults are those that people meet most; unknown fields are known as such
  only where `builtin_shapes` names the known ones. Ranges of numbers, most enumerations, CEL
  rules, and most of what ties fields together are not checked.
- No conversion: versions of a custom resource differ in their apiVersion only.
- Nothing but JSON is answered: no protobuf, no tables, no gzip. OpenAPI has no schemas. Of
  protobuf it reads just what `kubectl create` sends for five common kinds.
- Unlike JSON's unknown fields, its duplicate ones are not noticed.
- No TLS. kubectl bears no token over plain HTTP: the kubeconfig has it in the address too.
- Graceful deletion, evictions, logs, exec, port-forwarding and proxying are missing. Besides
  `status` and `scale` there are no subresources.
- A continued list shows the present state, not that of its first page.
- All state is gone when it stops.
"""

from __future__ import annotations

from towline.sandbox.kubernetes.cluster import RequestRecord, SandboxCluster

__all__ = ["RequestRecord", "SandboxCluster"]
