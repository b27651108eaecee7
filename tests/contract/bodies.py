"""Manifests of every built-in kind: a plain one, and for some a full one (`Kind-full`)."""

from __future__ import annotations

from typing import Any

import yaml

from towline.sandbox.kubernetes.kinds import BUILT_IN, Kind

POD = """
containers:
- name: c
  image: i:1
  livenessProbe: {httpGet: {port: 80}}
  resources: {limits: {cpu: 1000m, memory: 0.5Gi}}
  env: [{name: E, value: ""}, {name: F, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
volumes: [{name: v, configMap: {name: x}}, {name: h, hostPath: {path: /}}, {name: e}]
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: zone
  whenUnsatisfiable: DoNotSchedule
  labelSelector: {matchLabels: {a: b}}
"""
FULL_POD = """
serviceAccountName: default
priorityClassName: ""
automountServiceAccountToken: false
imagePullSecrets: [{name: registry}]
nodeSelector: {disk: fast}
hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]
dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: "2"}]}
readinessGates: [{conditionType: example.com/ready}]
securityContext:
  runAsNonRoot: true
  fsGroup: 1000
  seccompProfile: {type: RuntimeDefault}
  sysctls: []
tolerations: [{key: a, operator: Exists}, {effect: NoSchedule, key: b, value: c}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]
    preferredDuringSchedulingIgnoredDuringExecution:
    - {weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - {topologyKey: zone, labelSelector: {matchLabels: {a: b}}}
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 5
      podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {a: b}}}
initContainers:
- {name: first, image: "i:1", command: [sh], restartPolicy: Always, resources: {}}
containers:
- name: c
  image: i
  args: ["-v", "1"]
  workingDir: /x
  ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP, name: u}]
  envFrom: [{configMapRef: {name: x}}, {prefix: P_, secretRef: {name: y, optional: true}}]
  env:
  - {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}
  - {name: B, valueFrom: {configMapKeyRef: {name: s, key: k, optional: false}}}
  - {name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
  resources:
    limits: {cpu: 2, memory: 1024Mi, example.com/gpu: "1"}
    requests: {cpu: 0.5, memory: 1e3, ephemeral-storage: 1G}
  volumeMounts:
  - {name: data, mountPath: /data, readOnly: false}
  - {name: conf, mountPath: /conf, subPath: a, readOnly: true}
  lifecycle: {preStop: {httpGet: {port: http}}, postStart: {exec: {command: [a]}}}
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 30}
  readinessProbe: {grpc: {port: 80}, initialDelaySeconds: 0}
  livenessProbe: {exec: {command: [a]}, timeoutSeconds: 5}
  securityContext:
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL], add: []}
    readOnlyRootFilesystem: true
volumes:
- {name: data, emptyDir: {sizeLimit: 1024Mi, medium: ""}}
- {name: conf, configMap: {name: x, items: [{key: a, path: b}]}}
- {name: keys, secret: {secretName: y, defaultMode: 256}}
- name: all
  projected:
    sources:
    - {serviceAccountToken: {path: t}}
    - {configMap: {name: x}}
    - {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}
- {name: down, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}
- {name: claim, persistentVolumeClaim: {claimName: x}}
- {name: driver, csi: {driver: d.example.com, volumeAttributes: {a: b}}}
- {name: net, nfs: {server: s, path: /}}
- name: own
  ephemeral:
    volumeClaimTemplate:
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
"""
LABELLED = {"labels": {"a": "b"}}
TEMPLATE = {"metadata": LABELLED, "spec": yaml.safe_load(POD)}
FULL_TEMPLATE = {
    "metadata": {**LABELLED, "annotations": {"x": "y"}, "creationTimestamp": None},
    "spec": yaml.safe_load(FULL_POD),
}
JOB = {"template": {"spec": {**yaml.safe_load(POD), "restartPolicy": "Never"}}}
FULL_JOB = {
    "completions": 3,
    "parallelism": 2,
    "completionMode": "Indexed",
    "backoffLimit": 0,
    "ttlSecondsAfterFinished": 0,
    "suspend": True,
    "podFailurePolicy": {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": "c", "operator": "In", "values": [1, 42]},
            }
        ]
    },
    "template": {**FULL_TEMPLATE, "spec": {**FULL_TEMPLATE["spec"], "restartPolicy": "Never"}},
}
SELECTED = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
FULL_SELECTOR = {
    "matchLabels": {"a": "b"},
    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}],
}
FULL = {"selector": FULL_SELECTOR, "template": FULL_TEMPLATE}

BODIES: dict[str, Any] = {
    "Pod": {"spec": yaml.safe_load(POD)},
    "Pod-full": {"metadata": LABELLED, "spec": yaml.safe_load(FULL_POD)},
    "PodTemplate": {"template": TEMPLATE},
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
    "ReplicationController-bare": {"spec": {"replicas": 0, "template": TEMPLATE}},
    "Deployment": SELECTED,
    "Deployment-full": {
        "metadata": {**LABELLED, "annotations": {"example.com/id": "x"}},
        "spec": {
            **FULL,
            "replicas": 0,
            "paused": False,
            "minReadySeconds": 5,
            "strategy": {"type": "Recreate"},
        },
    },
    "Deployment-rolling": {
        "spec": {
            **SELECTED["spec"],
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}},
        }
    },
    "StatefulSet": SELECTED,
    "StatefulSet-full": {
        "spec": {
            **FULL,
            "serviceName": "x",
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "disk"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": "",
                        "resources": {"requests": {"storage": "1024Mi"}},
                    },
                }
            ],
        }
    },
    "DaemonSet": SELECTED,
    "DaemonSet-full": {
        "spec": {**FULL, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}
    },
    "ReplicaSet": SELECTED,
    "Job": {"spec": JOB},
    "Job-full": {"metadata": LABELLED, "spec": FULL_JOB},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}},
    "CronJob-full": {
        "spec": {
            "schedule": "* * * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 0,
            "jobTemplate": {"metadata": LABELLED, "spec": FULL_JOB},
        }
    },
    **yaml.safe_load(
        """
Namespace: {}
Namespace-full: {metadata: {labels: {a: b, pod-security.kubernetes.io/enforce: baseline}}}
Service:
  spec: {type: LoadBalancer, ports: [{port: 53, protocol: UDP, name: u}, {port: 53, name: t}]}
Service-full:
  metadata: {labels: {a: b}, annotations: {c: d}, finalizers: [example.com/hold]}
  spec:
    type: ClusterIP
    selector: {a: b}
    sessionAffinity: ClientIP
    publishNotReadyAddresses: false
    ports:
    - {name: http, port: 80, targetPort: http}
    - {name: quic, port: 80, protocol: UDP, targetPort: 8080, appProtocol: example.com/quic}
Service-headless: {spec: {clusterIP: None, selector: {a: b}}}
Service-external: {spec: {type: ExternalName, externalName: example.com}}
Service-node: {spec: {type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80}]}}
Secret: {stringData: {a: b}}
Secret-full: {type: Opaque, immutable: true, data: {a: eA==, b: ""}}
Secret-tls: {type: kubernetes.io/tls, data: {tls.crt: eA==, tls.key: eA==}}
ConfigMap: {data: {a: ""}}
ConfigMap-full: {immutable: false, data: {a: "1000m"}, binaryData: {b: eA==}}
ConfigMap-empty: {data: {}, metadata: {labels: {}, annotations: {}}}
ServiceAccount: {secrets: [{name: a}], imagePullSecrets: [{name: b}]}
ServiceAccount-full: {automountServiceAccountToken: false}
PersistentVolumeClaim:
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
PersistentVolumeClaim-full:
  spec:
    accessModes: [ReadWriteMany]
    storageClassName: fast
    volumeName: x
    selector: {matchLabels: {a: b}}
    dataSource: {kind: PersistentVolumeClaim, name: y}
    resources: {requests: {storage: 1.5Gi}, limits: {storage: 2G}}
PersistentVolume:
  spec: {capacity: {storage: 1024Mi}, hostPath: {path: /}, accessModes: [ReadWriteOnce]}
PersistentVolume-full:
  spec:
    capacity: {storage: 1G}
    accessModes: [ReadOnlyMany]
    claimRef: {namespace: a, name: b}
    mountOptions: [ro]
    nodeAffinity:
      required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}
    csi:
      driver: d.example.com
      volumeHandle: h
      volumeAttributes: {a: b}
      nodeStageSecretRef: {name: a, namespace: b}
Endpoints: {subsets: [{addresses: [{ip: 1.2.3.4}], ports: [{port: 80}]}]}
Event: {involvedObject: {name: x, namespace: default}, reason: r}
LimitRange: {spec: {limits: [{type: Container, default: {cpu: 1000m}}]}}
LimitRange-full:
  spec:
    limits:
    - {type: Container, max: {cpu: 2000m}, min: {cpu: 0.1}, maxLimitRequestRatio: {cpu: "10"}}
    - {type: PersistentVolumeClaim, min: {storage: 1024Mi}}
ResourceQuota: {spec: {hard: {cpu: 1000m}}}
ResourceQuota-full:
  spec:
    hard: {pods: "10", requests.memory: 1024Mi}
    scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}
Node: {spec: {unschedulable: false}, metadata: {labels: {a: b}}}
Node-full: {spec: {providerID: x, taints: [{key: a, effect: NoSchedule}]}}
ControllerRevision: {revision: 1, data: {a: {b: [1]}}}
Ingress: {spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}}
Ingress-full:
  metadata: {annotations: {a: b}}
  spec:
    ingressClassName: nginx
    defaultBackend: {resource: {kind: Bucket, name: y, apiGroup: example.com}}
    tls: [{hosts: [a.example.com], secretName: s}]
    rules:
    - host: a.example.com
      http:
        paths:
        - {path: /, pathType: Prefix, backend: {service: {name: x, port: {name: http}}}}
NetworkPolicy: {spec: {podSelector: {}, ingress: [{}], egress: []}}
NetworkPolicy-full:
  spec:
    podSelector: {matchLabels: {a: b}}
    policyTypes: [Ingress, Egress]
    ingress:
    - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {a: b}}}]
      ports: [{port: 80}, {port: http, protocol: UDP}]
    egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]
IngressClass: {spec: {controller: a/b}}
IngressClass-full:
  spec: {controller: a/b, parameters: {kind: K, name: n, apiGroup: example.com}}
Role: {rules: [{verbs: [get], apiGroups: [""], resources: [pods]}]}
ClusterRole: {rules: []}
ClusterRole-full:
  rules: [{verbs: [get], nonResourceURLs: [/x]}]
ClusterRole-aggregated:
  aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}
RoleBinding: {roleRef: {kind: Role, name: x}, subjects: [{kind: User, name: a}]}
RoleBinding-full:
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: x}
  subjects: [{kind: ServiceAccount, name: a, namespace: b}, {kind: Group, name: g}]
ClusterRoleBinding: {roleRef: {kind: ClusterRole, name: x}}
PodDisruptionBudget: {spec: {minAvailable: 1, selector: {}}}
PodDisruptionBudget-full:
  spec:
    maxUnavailable: 10%
    selector: {matchLabels: {a: b}}
    unhealthyPodEvictionPolicy: AlwaysAllow
HorizontalPodAutoscaler:
  spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}}
HorizontalPodAutoscaler-full:
  spec:
    minReplicas: 2
    maxReplicas: 3
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}
    behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
    metrics:
    - type: Resource
      resource: {name: memory, target: {type: AverageValue, averageValue: 1024Mi}}
    - type: Pods
      pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 1000m}}
StorageClass: {provisioner: x, parameters: {a: b}}
StorageClass-full:
  provisioner: x
  allowVolumeExpansion: true
  mountOptions: [ro]
  volumeBindingMode: WaitForFirstConsumer
  allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a]}]}]
PriorityClass: {value: 0}
PriorityClass-full: {value: 10, globalDefault: false, description: d, preemptionPolicy: Never}
Lease: {spec: {holderIdentity: a}}
Lease-full:
  spec: {leaseDurationSeconds: 5, acquireTime: "2026-01-01T00:00:00.000000Z", leaseTransitions: 0}
EndpointSlice: {addressType: IPv4, endpoints: [{addresses: [1.2.3.4]}], ports: [{port: 80}]}
EndpointSlice-full:
  addressType: IPv4
  endpoints:
  - addresses: [1.2.3.4]
    conditions: {ready: true}
    targetRef: {kind: Pod, name: x, namespace: y}
  ports: [{name: http, port: 80, protocol: UDP}]
ValidatingWebhookConfiguration: &webhooks
  webhooks:
  - name: a.b.c
    sideEffects: None
    admissionReviewVersions: [v1]
    clientConfig: {service: {name: s, namespace: n}}
    rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [xs]}]
MutatingWebhookConfiguration: *webhooks
MutatingWebhookConfiguration-full:
  webhooks:
  - name: a.b.c
    sideEffects: NoneOnDryRun
    admissionReviewVersions: [v1, v1beta1]
    failurePolicy: Ignore
    reinvocationPolicy: IfNeeded
    timeoutSeconds: 3
    namespaceSelector: {matchLabels: {a: b}}
    matchConditions: [{name: m, expression: "true"}]
    clientConfig: {url: "https://example.com/x"}
    rules: []
APIService:
  metadata: {name: v1.x.example.com}
  spec:
    group: x.example.com
    version: v1
    groupPriorityMinimum: 1
    versionPriority: 1
    insecureSkipTLSVerify: true
    service: {name: s, namespace: n}
CustomResourceDefinition: &definition
  metadata: {name: xs.example.com}
  spec: &spec
    group: example.com
    scope: Cluster
    names: {plural: xs, kind: X}
    versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
CustomResourceDefinition-full:
  metadata: {name: xs.example.com, labels: {a: b}}
  spec:
    <<: *spec
    preserveUnknownFields: false
    names: {plural: xs, singular: x, kind: X, listKind: XList, shortNames: [sx], categories: [all]}
    versions:
    - name: v1
      served: true
      storage: true
      deprecated: false
      subresources: {status: {}}
      additionalPrinterColumns: [{name: A, type: string, jsonPath: .spec.a}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [a]
              properties:
                a: {type: string, default: x, enum: [x, y]}
                b: {type: array, items: {type: integer, format: int32}}
                c: {x-kubernetes-preserve-unknown-fields: true}
"""
    ),
}
KINDS: dict[str, Kind] = {kind.kind: kind for kind in BUILT_IN}


def manifest(variant: str, name: str) -> tuple[Kind, dict[str, Any]]:
    """The kind and the whole body of one of `BODIES`."""
    kind = KINDS[variant.partition("-")[0]]
    body = BODIES[variant]
    metadata = {"name": name, **(body.get("metadata") or {})}
    identity = {"apiVersion": kind.api_version, "kind": kind.kind}
    return kind, {**body, **identity, "metadata": metadata}


def path_of(kind: Kind, name: str = "", namespace: str = "default") -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{namespace}" if kind.namespaced else ""
    return f"{root}{scope}/{kind.plural}" + (f"/{name}" if name else "")
