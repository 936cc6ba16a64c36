"""Kubeflow Pipelines' API: submit a pipeline, and look at a run."""

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp.client import Client, set_volume_credentials
from urllib3.exceptions import HTTPError

from pipeline.config.kubeflow import KubeflowSettings
from trainer.errors import InputError

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
"""States that a run or a task does not leave."""

_HOST, _TOKEN_FILE = "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH"
_LOG = "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log"
"""The API of version 2 has no other for logs."""


class Unreachable(RuntimeError):
    """The API gave no answer, or none that helps; the message says which."""


@dataclass(frozen=True)
class Task:
    """A step of a run.

    Attributes:
      name: of the step.
      state: of Kubeflow, such as RUNNING.
      seconds: from start to end; 0 before the end.
      pods: names of the pods that did its work, the first attempt first.
    """

    name: str
    state: str
    seconds: float
    pods: tuple[str, ...]


class Cluster:
    """The API of an installation.

    Args:
      settings: host, token file and namespace; what is not set is taken from the variables that kfp.Client reads.

    Raises:
      InputError: the installation cannot be reached, or does not let us in.
    """

    def __init__(self, settings: KubeflowSettings) -> None:
        self._settings = settings
        file = settings.token_file or os.environ.get(_TOKEN_FILE)
        if file and not os.access(file, os.R_OK):
            raise InputError(f"kubeflow.token_file: {file} cannot be read. Give a file that holds the API's token.")
        credentials = set_volume_credentials.ServiceAccountTokenVolumeCredentials(file) if file else None
        with warnings.catch_warnings(), _to_input_error(settings):
            warnings.simplefilter("ignore", FutureWarning)
            if settings.namespace and (settings.host or os.environ.get(_HOST)):
                self._client = Client(host=settings.host, namespace=settings.namespace, credentials=credentials)
            else:
                # Without an address the client takes the namespace for that of the installation, and not of the runs.
                self._client = Client(host=settings.host, credentials=credentials)

    def submit(self, package: Path, pipeline: str, run: str) -> str:
        """Uploads a specification as a new version of the pipeline and starts a run of it.

        Args:
          package: the file that ``polyrec compile`` writes.
          pipeline: name of the pipeline, made if there is none.
          run: name of the run and of the version.

        Returns:
          The run's id.

        Raises:
          InputError: the installation refuses it, or cannot be reached.
        """
        client, settings = self._client, self._settings
        with _to_input_error(settings):
            experiment = client.create_experiment(settings.experiment or pipeline, namespace=settings.namespace)
            named = {"operation": "EQUALS", "key": "display_name", "stringValue": pipeline}
            listed = client.list_pipelines(namespace=settings.namespace, filter=json.dumps({"predicates": [named]}))
            if listed.pipelines:
                pipeline_id = listed.pipelines[0].pipeline_id
                version = client.upload_pipeline_version(str(package), run, pipeline_id=pipeline_id)
            else:
                pipeline_id = client.upload_pipeline(str(package), pipeline, namespace=settings.namespace).pipeline_id
                version = client.list_pipeline_versions(pipeline_id).pipeline_versions[0]
            started = client.run_pipeline(
                experiment.experiment_id,
                run,
                pipeline_id=pipeline_id,
                version_id=version.pipeline_version_id,
                service_account=settings.service_account,
            )
        return str(started.run_id)

    def look(self, run: str) -> tuple[str, list[Task]]:
        """State of a run, and its tasks so far: of steps, and of Kubeflow's own.

        Args:
          run: id.

        Raises:
          Unreachable: there was no answer.
        """
        try:
            found = self._client.get_run(run)
        except (kfp_server_api.ApiException, HTTPError) as error:
            raise Unreachable(_reason(error)) from error
        details = (found.run_details and found.run_details.task_details) or []
        return str(found.state or ""), [_task(task, details) for task in details]

    def log(self, run: str, pod: str) -> str | None:
        """Log of a pod; None where it is gone or not to be had."""
        try:
            answer = self._client._run_api.api_client.call_api(
                _LOG,
                "GET",
                path_params={"run_id": run, "node_id": pod},
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
            )
        except (kfp_server_api.ApiException, HTTPError):
            return None
        return bytes(answer.data).decode("utf-8", "replace")


def _task(task: Any, all_tasks: list[Any]) -> Task:
    state = str(task.state or "")
    ended = state in ENDED and task.start_time is not None and task.end_time is not None
    seconds = (task.end_time - task.start_time).total_seconds() if ended else 0.0
    return Task(task.display_name or "", state, max(seconds, 0.0), tuple(_pods(task, all_tasks)))


def _pods(task: Any, all_tasks: list[Any]) -> list[str]:
    """Of the nodes below a task, those that run its container; Argo numbers them by attempt."""
    by_number = {_number(other.pod_name): other for other in all_tasks if other.pod_name}
    waiting, seen, found = [task], {_number(task.pod_name)}, []
    while waiting:
        for child in waiting.pop().child_tasks or []:
            number = _number(child.pod_name)
            if number in by_number and number not in seen:
                seen.add(number)
                below = by_number[number]
                # What comes next in the graph is a child as well.
                if str(below.display_name).startswith("executor"):
                    waiting.append(below)
                    found.append(below)
    return [node.pod_name for node in sorted(found, key=lambda node: node.display_name)]


def _number(pod: str | None) -> str:
    """Of a node: its id ends in it, and so does the name of its pod, which has the template's name before it."""
    return (pod or "").rpartition("-")[2]


@contextlib.contextmanager
def _to_input_error(settings: KubeflowSettings) -> Iterator[None]:
    try:
        yield
    except (kfp_server_api.ApiException, HTTPError, TimeoutError) as error:
        host = settings.host or os.environ.get(_HOST) or "the cluster of the kube config"
        raise InputError(
            f"kubeflow.host: {host}: {_reason(error)}. Check kubeflow.host, kubeflow.namespace and kubeflow.token_file."
        ) from error


def _reason(error: Exception) -> str:
    if not isinstance(error, kfp_server_api.ApiException):
        return f"no answer ({getattr(error, 'reason', None) or error})"
    if error.status in (401, 403):
        return f"access refused ({error.status} {error.reason})"
    return f"{error.status} {error.reason}: {str(error.body)[:300]}"
