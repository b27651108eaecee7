"""A Kubernetes API server in memory, for the demo and the tests.

It speaks plain HTTP on loopback, well enough for kubectl, the official client and any HTTP
library: discovery, create, read, list, watch, update, the four patches, server-side apply with
real managedFields, delete with preconditions and finalizers, custom resources. What it answers
is compared with a real API server by `tests/contract`; its built-in types are what one publishes.

What it never does, unlike a real cluster:

- No controllers: no pods come of a Deployment, no status fills, no endpoints, no garbage
  collection by ownerReferences, no service accounts and root certificates in new namespaces.
- Nothing takes time: definitions are established, discovered and served at once, and namespaces
  and definitions are gone with their content before a DELETE has been answered, whose answer shows
  them as terminating all the same.
- No admission: no webhooks, quotas, limit ranges, pod security, priorities or service accounts;
  just the finalizers, taints and tolerations that new volumes, nodes and pods get.
- No authorisation: whoever has the token may do everything.
- Validation and defaults are those that people meet most. All fields and their types are known,
  but ranges of numbers, most enumerations, CEL rules, and most of what ties fields together are
  not checked. Which empty values of plain Go types are left out is a list of the common ones.
- No conversion: versions of a custom resource differ in their apiVersion only.
- Nothing but JSON is answered: no protobuf, no tables, no gzip. OpenAPI has no schemas. Of
  protobuf it reads just what `kubectl create` sends for five common kinds.
- No TLS. kubectl bears no token over plain HTTP: the kubeconfig has it in the address too.
- Graceful deletion, evictions, logs, exec, port-forwarding and proxying are missing. Besides
  `status` and `scale` there are no subresources.
- All state is gone when it stops.
"""

from __future__ import annotations

from towline.sandbox.kubernetes.cluster import SandboxCluster
from towline.sandbox.kubernetes.front import Front, RequestRecord

__all__ = ["Front", "RequestRecord", "SandboxCluster"]
