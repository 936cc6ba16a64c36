"""Runs one step of a compiled pipeline in a pod: TFX's entry point, with local paths in place of bucket URLs.

Kubeflow's launcher copies input artifacts from the bucket to /gcs, /s3 or /minio before it starts a step, and output
artifacts from there to the bucket afterwards. TFX's own entry point opens the URLs themselves, and TensorFlow has no
file system for s3:// and minio://. The folders are those of Kubeflow Pipelines 2.17.0
(backend/src/v2/component/launcher_v2.go, LocalPathForURI).
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging as absl_logging
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

from pipeline.records.outcome import EXIT_CODES
from trainer.errors import GateRefused, InputError
from trainer.storage_paths import is_url

COMMAND = ("python3", "-m", "pipeline.kubeflow_step")
"""What the container of a step starts; the launcher appends the arguments that TFX compiled."""

FOLDERS = {"gs": "/gcs", "s3": "/s3", "minio": "/minio"}
"""Scheme -> the folder that the launcher copies its buckets to."""

LOGS = "executor-logs"
"""The output that the launcher adds to every step, unless PUBLISH_LOGS is off, and fills itself. TFX dies of its type,
``system.Artifact``."""

_INPUT = "--json_serialized_invocation_args"
_LISTS = ("inputs", "outputs")


def local_path(uri: str, native: Sequence[str]) -> str:
    """Where a step finds an artifact.

    Args:
      uri: of the artifact.
      native: schemes that TensorFlow reads and writes itself.

    Returns:
      The path that the launcher copies it to, or ``uri`` where TensorFlow has a file system for it.
    """
    scheme, _, place = uri.partition("://") if is_url(uri) else ("", "", uri)
    return f"{FOLDERS[scheme]}/{place}" if scheme in FOLDERS and scheme not in native else uri


def run(arguments: Sequence[str], native: Sequence[str] | None = None) -> None:
    """Runs the step, and gives its outputs the addresses in the bucket again.

    Args:
      arguments: as TFX compiles them: the executor's class, what it gets, and Beam's options.
      native: schemes that stay URLs; those of TensorFlow's file systems by default.

    Raises:
      InputError: the data or the configuration have to be changed.
      GateRefused: a gate refuses the data.
    """
    parser = argparse.ArgumentParser(prog="pipeline.kubeflow_step", allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument(_INPUT, required=True)
    parser.add_argument("--json_serialized_inputs_spec_args")
    known, beam_args = parser.parse_known_args(list(arguments))
    given = json.loads(known.json_serialized_invocation_args)
    given.get("outputs", {}).get("artifacts", {}).pop(LOGS, None)
    schemes = tf.io.gfile.get_registered_schemes() if native is None else native
    places = {uri: local_path(uri, schemes) for side in _LISTS for uri in _uris(given.get(side, {}))}
    mapped = {uri: place for uri, place in places.items() if uri != place}
    known.json_serialized_invocation_args = json.dumps(_with(given, _replaced(mapped)))
    kubeflow_v2_run_executor.main((known, beam_args))
    if mapped:
        _rewrite(Path(given["outputs"]["outputFile"]), {place: uri for uri, place in mapped.items()})


def main(arguments: Sequence[str]) -> int:
    """Runs the step; 2 for wrong input and 4 for a gate's refusal, with the reason as the last line of the log."""
    absl_logging.use_absl_handler()
    logging.getLogger("polyrec.progress").setLevel(logging.INFO)
    try:
        run(arguments)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_CODES["wrong input"]
    except GateRefused as error:
        print(f"Refused: {error}", file=sys.stderr)
        return EXIT_CODES["refused"]
    return 0


def _artifacts(side: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for listed in side.get("artifacts", {}).values():
        yield from listed.get("artifacts", [])


def _uris(side: Mapping[str, Any]) -> Iterator[str]:
    return (artifact["uri"] for artifact in _artifacts(side) if artifact.get("uri"))


def _replaced(places: Mapping[str, str]) -> Callable[[str], str]:
    """Turns an address in ``places``, or of something below one, into the other; other texts stay."""
    longest_first = sorted(places, key=len, reverse=True)

    def replace(text: str) -> str:
        for place in longest_first:
            if text == place or text.startswith(f"{place.rstrip('/')}/"):
                return places[place] + text[len(place) :]
        return text

    return replace


def _with(content: Any, replace: Callable[[str], str]) -> Any:
    """The content of a JSON document, every text in it replaced."""
    if isinstance(content, dict):
        return {key: _with(value, replace) for key, value in content.items()}
    if isinstance(content, list):
        return [_with(value, replace) for value in content]
    return replace(content) if isinstance(content, str) else content


def _rewrite(output_file: Path, uris: Mapping[str, str]) -> None:
    """Addresses of the bucket in what TFX tells of the outputs: in ``uri``, and in properties such as of a blessing."""
    told = _with(json.loads(output_file.read_text(encoding="utf-8")), _replaced(uris))
    output_file.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
