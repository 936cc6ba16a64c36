"""Settings of runs on Kubeflow Pipelines."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from trainer.settings import Settings

BUCKETS = ("gs://", "s3://", "minio://")
"""What Kubeflow takes for a pipeline root."""

RESERVED = ("TF_USE_LEGACY_KERAS",)
"""Variables of the steps that polyrec sets."""

_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_CLAIM = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class TolerationSettings(Settings):
    """A taint of nodes that steps may run on all the same."""

    operator: Literal["Exists", "Equal"] = Field("Exists", description="Whether the taint's value has to be equal.")
    value: str | None = Field(None, description="Value of the taint, for the operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint; null tolerates all."
    )


class StepSettings(Settings):
    """Resources and retries of one step; what is null is taken from the measured figures or from ``kubeflow``."""

    cpu: float | None = Field(None, gt=0, description="CPUs requested.")
    cpu_limit: float | None = Field(None, gt=0, description="Most CPUs; null sets no limit.")
    memory: float | None = Field(None, gt=0, description="Memory requested, in GB (1e9 bytes).")
    memory_limit: float | None = Field(
        None, gt=0, description="Memory at which the step is killed, in GB; null: twice the request."
    )
    retries: int | None = Field(None, ge=0, description="Retries of this step; null: kubeflow.retries.")


class KubeflowSettings(Settings):
    """Runs on Kubeflow Pipelines 2; ``polyrec run`` on this machine makes no use of them."""

    image: str = Field("polyrec:latest", description="Container image of the steps; --image overrides it.")
    pipeline_root: str | None = Field(
        None, description="Bucket folder of the artifacts (gs://, s3://, minio://); null: the installation's default."
    )
    volumes: dict[Annotated[str, Field(pattern=_CLAIM)], str] = Field(
        default_factory=dict,
        description="Persistent volume claims that every step mounts: claim and folder, such as {shop-data: /data}.",
    )
    secrets: dict[Annotated[str, Field(pattern=_VARIABLE)], Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]] = Field(
        default_factory=dict,
        description="Environment variables from Kubernetes secrets: variable and SECRET/KEY. Values are never read.",
    )
    env: dict[Annotated[str, Field(pattern=_VARIABLE)], str] = Field(
        default_factory=dict, description="Environment variables of every step; nothing secret, the file shows them."
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels of the nodes that steps run on, such as {pool: training}."
    )
    tolerations: dict[str, TolerationSettings] = Field(
        default_factory=dict, description="Taints that steps tolerate, by the taint's key."
    )
    image_pull_secrets: list[str] = Field(default_factory=list, description="Secrets to pull the image with.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When to pull the image; null: the cluster's default."
    )
    retries: int = Field(2, ge=0, description="Retries of a step that failed. A gate on the data is not retried.")
    retry_seconds: int = Field(
        60, ge=0, description="Seconds before the first retry; each next one waits twice as long."
    )
    record: str | None = Field(
        None,
        description="run.json of a run on this machine: its peak memory and CPU use set the requests of the steps; "
        "null: those of MovieLens-100K.",
    )
    headroom: float = Field(1.5, ge=1, description="Memory requested, as a multiple of the measured peak.")
    steps: dict[str, StepSettings] = Field(
        default_factory=dict, description="Resources and retries of single steps, such as Trainer, by name."
    )
    fail_when_refused: bool = Field(
        True, description="Fail the Pusher, and the run with it, when a gate refused the model."
    )
    host: str | None = Field(
        None, description="Address of the API for --engine kubeflow; null: KF_PIPELINES_ENDPOINT, or the kube config."
    )
    namespace: str | None = Field(None, description="Namespace of runs, for an installation with several users.")
    experiment: str | None = Field(None, description="Experiment of the runs; null: pipeline.name.")
    service_account: str | None = Field(None, description="Service account of the steps; null: the default one.")
    token_file: str | None = Field(
        None,
        description="File with the API's token, read at each request; null: KF_PIPELINES_SA_TOKEN_PATH, if that is "
        "set. The token itself is no setting, and is written nowhere.",
    )
    poll_seconds: float = Field(10, gt=0, description="Seconds between two looks at a run on the cluster.")


def contradictions(settings: KubeflowSettings) -> Iterator[str]:
    """Settings that contradict each other, a line each.

    Args:
      settings: whose values are right one by one.
    """
    root = settings.pipeline_root
    if root is not None and not root.startswith(BUCKETS):
        yield (
            f"kubeflow.pipeline_root is {root}, and Kubeflow keeps artifacts in a bucket only: give a folder that "
            f"begins with {', '.join(BUCKETS)}, or null for the installation's own."
        )
    yield from _volumes(settings)
    yield from _variables(settings)
    for name, toleration in settings.tolerations.items():
        if (toleration.operator == "Equal") != (toleration.value is not None):
            yield (
                f"kubeflow.tolerations.{name}: operator {toleration.operator} "
                f"{'needs a value' if toleration.value is None else 'takes no value'}."
            )
    for name, step in settings.steps.items():
        for what, most in (("cpu", step.cpu_limit), ("memory", step.memory_limit)):
            wanted = getattr(step, what)
            if wanted is not None and most is not None and wanted > most:
                yield (
                    f"kubeflow.steps.{name}.{what} is {wanted:g}, and {what}_limit is {most:g}: a step cannot be "
                    "promised more than it may use. Lower the one or raise the other."
                )


def _volumes(settings: KubeflowSettings) -> Iterator[str]:
    mounted: dict[str, str] = {}
    for claim, folder in settings.volumes.items():
        place = folder.rstrip("/")
        if not folder.startswith("/") or not place:
            yield (
                f"kubeflow.volumes.{claim} is {folder!r}: a volume is mounted at an absolute folder below /, such as "
                "/data."
            )
        elif place in mounted:
            yield f"kubeflow.volumes mounts {mounted[place]} and {claim} at {folder}. Give each a folder of its own."
        mounted[place] = claim


def _variables(settings: KubeflowSettings) -> Iterator[str]:
    for name in sorted(settings.env.keys() & settings.secrets.keys()):
        yield f"kubeflow.env and kubeflow.secrets both set {name}. Leave one out."
    for name in sorted((settings.env.keys() | settings.secrets.keys()) & set(RESERVED)):
        yield f"kubeflow.env and kubeflow.secrets cannot set {name}: polyrec needs it as it is. Leave it out."
