"""The shapes of the built-in kinds, by hand: how their lists and maps merge, what fields exist.

A list that is missing here is atomic and a map is granular. `known` fields are written down
only for the parts that people write most; where they are absent, no field counts as unknown.
"""

from __future__ import annotations

from towline.sandbox.kubernetes.shape import ATOMIC, MAPPING, SET, Shape, keyed

_ATOMIC_MAPPING = Shape(atomic=True, mapping=True)
_CONDITIONS = keyed("type")
_STATUS = Shape({"conditions": _CONDITIONS})


def _known(names: str, **fields: Shape) -> Shape:
    return Shape(fields, known=frozenset((*names.split(), *fields)))


METADATA = _known(
    "creationTimestamp deletionGracePeriodSeconds deletionTimestamp generateName generation "
    "managedFields name namespace resourceVersion selfLink uid",
    labels=MAPPING,
    annotations=MAPPING,
    finalizers=SET,
    ownerReferences=keyed("uid", element=ATOMIC),
)

_RESOURCES = _known(
    "", limits=MAPPING, requests=MAPPING, claims=keyed("name", element=_known("name request"))
)
_REFERENCE_VALUE = _known(
    "",
    fieldRef=ATOMIC,
    resourceFieldRef=ATOMIC,
    configMapKeyRef=ATOMIC,
    secretKeyRef=ATOMIC,
    fileKeyRef=ATOMIC,
)
_PROBE = _known(
    "exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold "
    "tcpSocket terminationGracePeriodSeconds timeoutSeconds"
)
_CONTAINER_NAMES = (
    "args command envFrom image imagePullPolicy lifecycle name resizePolicy restartPolicy "
    "restartPolicyRules stdin stdinOnce terminationMessagePath terminationMessagePolicy tty "
    "workingDir targetContainerName"
)
_CONTAINER = _known(
    _CONTAINER_NAMES,
    env=keyed("name", element=_known("name value", valueFrom=_REFERENCE_VALUE)),
    ports=keyed(
        "containerPort",
        "protocol",
        element=_known("containerPort hostIP hostPort name protocol"),
    ),
    volumeMounts=keyed(
        "mountPath",
        element=_known(
            "bindMountOptions mountPath mountPropagation name readOnly recursiveReadOnly "
            "subPath subPathExpr"
        ),
    ),
    volumeDevices=keyed("devicePath", element=_known("devicePath name")),
    resources=_RESOURCES,
    livenessProbe=_PROBE,
    readinessProbe=_PROBE,
    startupProbe=_PROBE,
    securityContext=_known(
        "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount "
        "readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions "
        "seccompProfile windowsOptions"
    ),
)
_CONTAINERS = keyed("name", element=_CONTAINER)
_SECRET_REF = Shape({"secretRef": ATOMIC})
_VOLUME = Shape(
    {
        "cephfs": _SECRET_REF,
        "cinder": _SECRET_REF,
        "csi": Shape({"nodePublishSecretRef": ATOMIC}),
        "flexVolume": _SECRET_REF,
        "iscsi": _SECRET_REF,
        "rbd": _SECRET_REF,
        "scaleIO": _SECRET_REF,
        "storageos": _SECRET_REF,
    },
    known=frozenset(
        [
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "hostPath",
            "image",
            "iscsi",
            "name",
            "nfs",
            "persistentVolumeClaim",
            "photonPersistentDisk",
            "portworxVolume",
            "projected",
            "quobyte",
            "rbd",
            "scaleIO",
            "secret",
            "storageos",
            "vsphereVolume",
        ]
    ),
)
_POD_SPEC = _known(
    "activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy "
    "enableServiceLinks evictionResponders hostIPC hostNetwork hostPID hostUsers hostname "
    "hostnameOverride nodeName os preemptionPolicy priority priorityClassName readinessGates "
    "restartPolicy runtimeClassName schedulerName schedulingGroup serviceAccount "
    "serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain "
    "terminationGracePeriodSeconds tolerations",
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    ephemeralContainers=_CONTAINERS,
    volumes=keyed("name", element=_VOLUME),
    imagePullSecrets=keyed("name"),
    hostAliases=keyed("ip", element=_known("ip hostnames")),
    topologySpreadConstraints=keyed(
        "topologyKey",
        "whenUnsatisfiable",
        element=_known(
            "matchLabelKeys maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy topologyKey "
            "whenUnsatisfiable",
            labelSelector=ATOMIC,
        ),
    ),
    resourceClaims=keyed("name"),
    schedulingGates=keyed("name"),
    nodeSelector=_ATOMIC_MAPPING,
    overhead=MAPPING,
    resources=_RESOURCES,
    securityContext=_known(
        "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser "
        "seLinuxChangePolicy seLinuxOptions seccompProfile supplementalGroups "
        "supplementalGroupsPolicy sysctls windowsOptions"
    ),
    affinity=Shape(
        {
            "nodeAffinity": Shape({"requiredDuringSchedulingIgnoredDuringExecution": ATOMIC}),
        }
    ),
)
_TEMPLATE = _known("", metadata=METADATA, spec=_POD_SPEC)
_JOB_SPEC = _known(
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions "
    "managedBy manualSelector maxFailedIndexes parallelism podFailurePolicy "
    "podReplacementPolicy scheduling successPolicy suspend ttlSecondsAfterFinished",
    selector=ATOMIC,
    template=_TEMPLATE,
)
_CLAIM_SPEC = _known(
    "accessModes dataSourceRef storageClassName volumeAttributesClassName volumeMode volumeName",
    dataSource=ATOMIC,
    selector=ATOMIC,
    resources=_RESOURCES,
)
_WEBHOOK = _known(
    "admissionReviewVersions clientConfig failurePolicy matchPolicy name reinvocationPolicy "
    "rules sideEffects timeoutSeconds",
    matchConditions=keyed("name"),
    namespaceSelector=ATOMIC,
    objectSelector=ATOMIC,
)


def _kind(names: str = "", **fields: Shape) -> Shape:
    """A kind whose top-level fields are all known: these, and those that every object has."""
    return _known("apiVersion kind " + names, metadata=METADATA, **fields)


def _specified(spec: Shape, **status: Shape) -> Shape:
    return _kind("", spec=spec, status=Shape({"conditions": _CONDITIONS, **status}))


_SHAPES = {
    "Namespace": _specified(_known("finalizers")),
    "ConfigMap": _kind("immutable", data=MAPPING, binaryData=MAPPING),
    "Secret": _kind("immutable type", data=MAPPING, stringData=MAPPING),
    "Service": _specified(
        _known(
            "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName "
            "externalTrafficPolicy healthCheckNodePort internalTrafficPolicy ipFamilies "
            "ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges "
            "publishNotReadyAddresses sessionAffinity sessionAffinityConfig "
            "trafficDistribution type",
            ports=keyed(
                "port",
                "protocol",
                element=_known("appProtocol name nodePort port protocol targetPort"),
            ),
            selector=_ATOMIC_MAPPING,
        )
    ),
    "ServiceAccount": _kind(
        "automountServiceAccountToken imagePullSecrets", secrets=keyed("name", element=ATOMIC)
    ),
    "Pod": _specified(_POD_SPEC, podIPs=keyed("ip"), hostIPs=keyed("ip")),
    "PodTemplate": _kind("", template=_TEMPLATE),
    "PersistentVolumeClaim": _specified(_CLAIM_SPEC, capacity=MAPPING),
    "PersistentVolume": _specified(Shape({"claimRef": ATOMIC, "capacity": MAPPING})),
    "Endpoints": _kind("subsets"),
    "LimitRange": _kind("", spec=_known("limits")),
    "ResourceQuota": _specified(
        _known("scopes", hard=MAPPING, scopeSelector=ATOMIC), hard=MAPPING, used=MAPPING
    ),
    "ReplicationController": _specified(
        _known("minReadySeconds replicas", selector=_ATOMIC_MAPPING, template=_TEMPLATE)
    ),
    "Node": _specified(
        Shape({"podCIDRs": SET}), addresses=keyed("type"), capacity=MAPPING, allocatable=MAPPING
    ),
    "Deployment": _specified(
        _known(
            "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit",
            selector=ATOMIC,
            strategy=_known("rollingUpdate type"),
            template=_TEMPLATE,
        )
    ),
    "StatefulSet": _specified(
        _known(
            "minReadySeconds ordinals persistentVolumeClaimRetentionPolicy podManagementPolicy "
            "replicas revisionHistoryLimit serviceName updateStrategy volumeClaimTemplates",
            selector=ATOMIC,
            template=_TEMPLATE,
        )
    ),
    "DaemonSet": _specified(
        _known(
            "minReadySeconds revisionHistoryLimit updateStrategy",
            selector=ATOMIC,
            template=_TEMPLATE,
        )
    ),
    "ReplicaSet": _specified(
        _known("minReadySeconds replicas", selector=ATOMIC, template=_TEMPLATE)
    ),
    "ControllerRevision": _kind("data revision"),
    # A Job's conditions are atomic, unlike all the others'.
    "Job": _kind("status", spec=_JOB_SPEC),
    "CronJob": _kind(
        "status",
        spec=_known(
            "concurrencyPolicy failedJobsHistoryLimit schedule startingDeadlineSeconds "
            "successfulJobsHistoryLimit suspend timeZone",
            jobTemplate=_known("", metadata=METADATA, spec=_JOB_SPEC),
        ),
    ),
    "Ingress": _specified(
        _known(
            "ingressClassName rules tls",
            defaultBackend=Shape({"resource": ATOMIC}),
        )
    ),
    "NetworkPolicy": _specified(_known("egress ingress policyTypes", podSelector=ATOMIC)),
    "IngressClass": _kind("", spec=_known("controller parameters")),
    "Role": _kind("rules"),
    "ClusterRole": _kind("aggregationRule rules"),
    "RoleBinding": _kind("subjects", roleRef=ATOMIC),
    "ClusterRoleBinding": _kind("subjects", roleRef=ATOMIC),
    "PodDisruptionBudget": _specified(
        _known("maxUnavailable minAvailable unhealthyPodEvictionPolicy", selector=ATOMIC)
    ),
    "HorizontalPodAutoscaler": _specified(
        _known("behavior maxReplicas metrics minReplicas scaleTargetRef")
    ),
    "StorageClass": _kind(
        "allowVolumeExpansion allowedTopologies mountOptions provisioner reclaimPolicy "
        "volumeBindingMode",
        parameters=MAPPING,
    ),
    "PriorityClass": _kind("description globalDefault preemptionPolicy value"),
    "Lease": _kind(
        "",
        spec=_known(
            "acquireTime holderIdentity leaseDurationSeconds leaseTransitions preferredHolder "
            "renewTime strategy"
        ),
    ),
    "EndpointSlice": _kind("addressType endpoints ports"),
    "CustomResourceDefinition": _specified(
        _known("conversion group names preserveUnknownFields scope versions")
    ),
    "ValidatingWebhookConfiguration": _kind("", webhooks=keyed("name", element=_WEBHOOK)),
    "MutatingWebhookConfiguration": _kind("", webhooks=keyed("name", element=_WEBHOOK)),
    "APIService": _specified(
        _known(
            "caBundle group groupPriorityMinimum insecureSkipTLSVerify service version "
            "versionPriority"
        )
    ),
}


def shape_of(kind: str) -> Shape:
    """The shape of a built-in kind; Event and others without a table only know metadata."""
    return _SHAPES.get(kind) or Shape({"metadata": METADATA, "status": _STATUS})
