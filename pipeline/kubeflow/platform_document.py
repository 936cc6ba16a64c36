"""The second document of a specification: what Kubernetes has to know of each step.

Field names are those of KubernetesExecutorConfig (kubernetes_platform/proto/kubernetes_executor_config.proto in the
repository of Kubeflow Pipelines). Claims and secrets are named by the plain fields, which backends from 2.0.5 to 2.17
read; those before 2.5 refuse a document with the newer ``...Parameter`` fields, which kfp-kubernetes writes as well.
"""

import copy
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from pipeline.config.kubeflow import KubeflowSettings


def platform_document(settings: KubeflowSettings, executors: Collection[str]) -> dict[str, Any] | None:
    """The document, the same for every step.

    Args:
      settings: of Kubeflow.
      executors: labels of the executors.

    Returns:
      None where there is nothing to say.
    """
    executor = _executor(settings)
    if not executor:
        return None
    # Copies: YAML would write one object in several places as references to the first.
    each = {label: copy.deepcopy(executor) for label in sorted(executors)}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": each}}}}


def _executor(settings: KubeflowSettings) -> dict[str, Any]:
    keys: dict[str, list[dict[str, str]]] = defaultdict(list)
    for variable, place in settings.secrets.items():
        secret, key = place.split("/")
        keys[secret].append({"secretKey": key, "envVar": variable})
    parts: dict[str, Any] = {
        "pvcMount": [{"mountPath": folder, "constant": claim} for claim, folder in settings.volumes.items()],
        "secretAsEnv": [{"keyToEnv": pairs, "secretName": secret} for secret, pairs in keys.items()],
        "nodeSelector": {"labels": dict(settings.node_selector)} if settings.node_selector else None,
        "tolerations": [
            {"key": key} | toleration.model_dump(exclude_none=True) for key, toleration in settings.tolerations.items()
        ],
        "imagePullSecret": [{"secretName": name} for name in settings.image_pull_secrets],
        "imagePullPolicy": settings.image_pull_policy,
    }
    return {name: part for name, part in parts.items() if part}
