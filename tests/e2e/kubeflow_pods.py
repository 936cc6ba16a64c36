"""Stands for Kubeflow's driver and launcher: walks a compiled pipeline, every step in a pod of its own.

The rules are those of Kubeflow Pipelines 2.17.0 (commit 7b70c7b), read in its sources:

- Addresses (backend/src/v2/driver/driver.go, provisionOutputs; metadata/client.go): ROOT/PIPELINE/RUN/TASK/SALT/OUTPUT,
  and the step tells of its outputs in output_metadata.json in the local folder of TASK/SALT. Retries get the same.
- Inputs (metadata/converter.go, component/launcher_v2.go): an artifact's name is its number in the metadata store, its
  type the schema that was recorded, its properties are one JSON object.
- Every step has one output more than the specification says, executor-logs of the type system.Artifact, which the
  launcher fills and registers itself (PUBLISH_LOGS, on unless the installation turns it off).
- Before a step, all objects below its inputs' addresses are copied to their local folders, and the folders above its
  outputs are made (downloadArtifacts, prepareOutputFolders).
- After a step that succeeded, what it says of an output replaces what is known, address included, and all files in the
  output's local folder are copied to the bucket; empty folders are not, and an output may be missing. Of a step that
  failed nothing is copied (uploadOutputArtifacts).
- A retry is a new pod with the same arguments.

A pod is a process with mounts of its own: a root folder that has the system, Python, the checkout and the volumes, a
private /tmp, HOME, working folder and /minio, and nothing else. It is forked from one that has imported TFX, unless the
step is named with --exec: those are started as the container would be.
"""

import argparse
import ctypes
import graphlib
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline import kubeflow_step

CHECKOUT = Path(__file__).resolve().parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys")
ROOT = "minio://bucket/v2"
LAUNCHED = "/minio"
LOGS = "executor-logs"
HOME, WORKING = "/home/step", "/working"

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18

Artifact = dict[str, Any]


def mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def own_mounts() -> None:
    """Mounts that no other process sees; of a user who is not root, as the root of a user namespace.

    Raises:
      OSError: this machine does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    mount("none", "/", _RECURSIVE | _PRIVATE)


def allowed() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    child = os.fork()
    if not child:
        try:
            own_mounts()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@dataclass(frozen=True)
class Pod:
    """The private folders of one attempt of a step, below ``folder``."""

    folder: Path

    def make(self) -> None:
        for name in ("root", "tmp", "home", "work", "minio"):
            (self.folder / name).mkdir(parents=True)

    def here(self, path: str) -> Path:
        """Where the pod's file below /minio is, seen from outside."""
        return self.folder / "minio" / Path(path).relative_to(LAUNCHED)

    def enter(self, volumes: Mapping[str, str]) -> None:
        """Makes the calling process one of the pod."""
        own_mounts()
        root = self.folder / "root"
        shared = {path: path for path in (*SYSTEM, *{sys.base_prefix, os.path.realpath(sys.prefix), str(CHECKOUT)})}
        private = {"/tmp": "tmp", HOME: "home", WORKING: "work", LAUNCHED: "minio"}
        places = {**{place: str(self.folder / name) for place, name in private.items()}, **shared, **volumes}
        for target, source in places.items():
            if os.path.exists(source):
                (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
                mount(source, f"{root}{target}", _BIND | _RECURSIVE)
        os.chroot(root)
        os.chdir(WORKING)


@dataclass
class Walk:
    """One run of a specification.

    Args:
      specification: the compiled pipeline.
      folder: of the bucket, the pods and their logs.
      volumes: path in the pods -> folder, shared as the volumes of a cluster are.
      killed: step -> seconds of CPU after which its first attempt is killed.
      executed: steps that get an interpreter of their own.
    """

    specification: dict[str, Any]
    folder: Path
    volumes: Mapping[str, str]
    killed: Mapping[str, int]
    executed: frozenset[str]
    outputs: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    report: list[dict[str, Any]] = field(default_factory=list)
    run: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __call__(self) -> bool:
        """Runs all steps in order; False after the first that failed in both attempts."""
        tasks = self.specification["root"]["dag"]["tasks"]
        needs = {name: {*task.get("dependentTasks", []), *_producers(task)} for name, task in tasks.items()}
        return all(self._step(name, tasks[name]) for name in graphlib.TopologicalSorter(needs).static_order())

    def _step(self, name: str, task: dict[str, Any]) -> bool:
        component = self.specification["components"][task["componentRef"]["name"]]
        container = self.specification["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        given = self._drive(name, task, component)
        for attempt in range(2):
            pod = Pod(self.folder / f"{name}-{attempt}")
            pod.make()
            self._download(given, pod)
            limit = self.killed.get(name) if not attempt else None
            before = time.monotonic()
            status, usage = self._start(name, container, given, pod, limit)
            code = os.waitstatus_to_exitcode(status)
            self.report.append({
                "step": name, "attempt": attempt, "code": code, "cpu": usage.ru_utime + usage.ru_stime,
                "wall": time.monotonic() - before, "log": str(pod.folder / "log"),
            })  # fmt: skip
            print(json.dumps(self.report[-1]), flush=True)
            if code == 0:
                self._upload(name, given, pod)
                return True
        return False

    def _drive(self, name: str, task: dict[str, Any], component: dict[str, Any]) -> dict[str, Any]:
        """The executor's input."""
        inputs, address = task.get("inputs", {}), f"{ROOT}/{self._pipeline}/{self.run}/{name}/{uuid.uuid4()}"
        taken = {key: value["taskOutputArtifact"] for key, value in inputs.get("artifacts", {}).items()}
        made = component.get("outputDefinitions", {}).get("artifacts", {})
        made = {**made, LOGS: {"artifactType": {"schemaTitle": "system.Artifact"}}}
        return {
            "inputs": {
                "artifacts": {
                    key: {"artifacts": [self.outputs[of["producerTask"]][of["outputArtifactKey"]]]}
                    for key, of in taken.items()
                },
                "parameterValues": {
                    key: value["runtimeValue"]["constant"] for key, value in inputs.get("parameters", {}).items()
                },
            },
            "outputs": {
                "artifacts": {
                    key: {"artifacts": [{"name": key, "uri": f"{address}/{key}", "type": value["artifactType"]}]}
                    for key, value in made.items()
                },
                "outputFile": f"{_local(address)}/output_metadata.json",
            },
        }

    @property
    def _pipeline(self) -> str:
        return str(self.specification["pipelineInfo"]["name"])

    @property
    def bucket(self) -> Path:
        return self.folder / "bucket"

    def _object(self, uri: str) -> Path:
        return self.bucket / uri.split("://", 1)[1]

    def _download(self, given: dict[str, Any], pod: Pod) -> None:
        for artifact in _artifacts(given["inputs"]):
            _copy_files(self._object(artifact["uri"]), pod.here(_local(artifact["uri"])))
        for artifact in _artifacts(given["outputs"]):
            pod.here(_local(artifact["uri"])).parent.mkdir(parents=True, exist_ok=True)

    def _start(
        self, name: str, container: dict[str, Any], given: dict[str, Any], pod: Pod, limit: int | None
    ) -> tuple[int, resource.struct_rusage]:
        arguments = [text.replace("{{$}}", json.dumps(given)) for text in container["args"]]
        sys.stdout.flush()
        child = os.fork()
        if not child:
            try:
                log = os.open(pod.folder / "log", os.O_WRONLY | os.O_CREAT)
                os.dup2(log, 1)
                os.dup2(log, 2)
                pod.enter(self.volumes)
                _environment({each["name"]: each["value"] for each in container["env"]})
                if limit is not None:
                    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
                if name in self.executed:
                    os.execvp(container["command"][0], [*container["command"], *arguments])
                code = kubeflow_step.main(arguments)
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status, usage = os.wait4(child, 0)
        return status, usage

    def _upload(self, name: str, given: dict[str, Any], pod: Pod) -> None:
        file = pod.here(given["outputs"]["outputFile"])
        told = json.loads(file.read_text()).get("artifacts", {}) if file.exists() else {}
        self.outputs[name] = {}
        for key, listed in given["outputs"]["artifacts"].items():
            if key == LOGS:
                continue
            (artifact,) = listed["artifacts"]
            (new,) = told.get(key, {"artifacts": [{}]})["artifacts"]
            uri = new.get("uri") or artifact["uri"]
            if uri.startswith("minio://"):  # another is passed over with a warning
                _copy_files(pod.here(_local(uri)), self._object(uri))
            number = str(1 + sum(map(len, self.outputs.values())))
            schema = artifact["type"].get("instanceSchema") or f"title: {artifact['type']['schemaTitle']}"
            metadata = {**artifact.get("metadata", {}), **new.get("metadata", {})}
            self.outputs[name][key] = {
                "name": number, "uri": uri, "type": {"instanceSchema": schema}, "metadata": metadata
            }  # fmt: skip


def _producers(task: dict[str, Any]) -> Iterator[str]:
    for value in task.get("inputs", {}).get("artifacts", {}).values():
        yield value["taskOutputArtifact"]["producerTask"]


def _artifacts(side: dict[str, Any]) -> Iterator[Artifact]:
    for listed in side["artifacts"].values():
        yield from listed["artifacts"]


def _local(uri: str) -> str:
    assert uri.startswith("minio://"), f"the launcher cannot copy to or from {uri}"
    return uri.replace("minio://", f"{LAUNCHED}/", 1)


def _copy_files(source: Path, target: Path) -> None:
    """Copies the files, and with them the folders that have any: an object store knows no others."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _environment(container: Mapping[str, str]) -> None:
    """That of an image with the checkout installed."""
    path = os.pathsep.join([f"{os.path.realpath(sys.prefix)}/bin", "/usr/local/bin", "/usr/bin", "/bin"])
    os.environ.clear()
    os.environ.update(PATH=path, HOME=HOME, LANG="C.UTF-8", PYTHONPATH=str(CHECKOUT), TF_CPP_MIN_LOG_LEVEL="2")
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", **container)


def _pairs(given: list[str]) -> dict[str, str]:
    return dict(pair.rsplit("=", 1) for pair in given)


def main() -> None:
    """Walks the specification; prints a line of JSON a step and writes what is known of all to walk.json."""
    parser = argparse.ArgumentParser(description="Run a compiled pipeline as Kubeflow does, without a cluster.")
    parser.add_argument("specification", type=Path)
    parser.add_argument("folder", type=Path, help="New folder for the bucket and the pods.")
    parser.add_argument("--volume", action="append", default=[], metavar="PATH=FOLDER", help="Share FOLDER as PATH.")
    parser.add_argument("--kill", action="append", default=[], metavar="STEP=SECONDS", help="Kill it once, then retry.")
    parser.add_argument("--exec", action="append", default=[], metavar="STEP", help="Start it by its own command.")
    given = parser.parse_args()
    folder = given.folder.resolve()
    (folder / "bucket").mkdir(parents=True)
    specification = next(yaml.safe_load_all(given.specification.read_text()))
    killed = {step: int(seconds) for step, seconds in _pairs(given.kill).items()}
    walk = Walk(specification, folder, _pairs(given.volume), killed, frozenset(given.exec))
    whole = walk()
    (folder / "walk.json").write_text(json.dumps({"steps": walk.report, "outputs": walk.outputs}, indent=1))
    sys.exit(0 if whole else signal.SIGTERM)


if __name__ == "__main__":
    main()
