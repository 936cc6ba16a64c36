"""Loaded SavedModel: its signatures, and running them.

The graph is loaded into a session of its own, as TensorFlow Serving does, and not with ``tf.saved_model.load``: the
latter kept 1.7 MB of every model it had loaded, of 20,000 items, after the model was dropped (TF 2.16), which adds up
in a server that reloads for months. Closing the session gives everything back.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.bundle import manifest as manifests
from serving.bundle.manifest import BundleError, Manifest, SignatureBatching
from serving.errors import ServingError, from_tensorflow
from serving.runtime.batching import Batcher, Outputs, Run, Wanted, always
from serving.runtime.protos import config_pb2, meta_graph_pb2, rewriter_config_pb2, tf
from trainer.plain_paths import plain_path

log = logging.getLogger("serving.servable")


BatcherOf = Callable[[Run, Mapping[str, SignatureBatching]], Batcher]
"""Makes the batcher of a model, given what runs it and what of it may be joined."""


class Servable:
    """A SavedModel that can answer, from several threads at once.

    Attributes:
      signatures: name -> SignatureDef, as the SavedModel states them.
      manifest: of the bundle; None for a plain SavedModel.

    Args:
      directory: of the SavedModel.
      manifest: of the bundle it belongs to.
      batcher_of: makes what runs requests, in batches as far as the manifest allows; None: each is run at once, by the
        thread that asks.

    Raises:
      ServingError: TensorFlow cannot load it.
    """

    def __init__(self, directory: Path, manifest: Manifest | None = None, batcher_of: BatcherOf | None = None) -> None:
        self.manifest = manifest
        batching = manifest.batching if manifest is not None else {}
        self._batcher = batcher_of(self._run_now, batching) if batcher_of is not None else None
        self._calls: dict[str, Callable[..., list[Any]]] = {}
        self._making = threading.Lock()
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=_in_own_thread(of_a_bundle=manifest is not None))
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], plain_path(str(directory)))
            graph.finalize()
            self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(meta_graph.signature_def)
            self._defaults = {
                name: {alias: tf.make_ndarray(proto) for alias, proto in signature.defaults.items()}
                for name, signature in self.signatures.items()
            }
        except tf.errors.OpError as error:
            self.close()
            raise from_tensorflow(error.error_code, error.message) from error
        except BaseException:
            self.close()
            raise

    def run(self, signature_name: str, inputs: Mapping[str, npt.NDArray[Any]], wanted: Wanted = always) -> Outputs:
        """Runs one signature and waits for it; see :meth:`submit`.

        Raises:
          ServingError: TensorFlow's error, under its code; or CANCELLED, nobody waits and nothing was run.
        """
        return self.submit(signature_name, inputs, wanted).result()

    def submit(
        self, signature_name: str, inputs: Mapping[str, npt.NDArray[Any]], wanted: Wanted = always
    ) -> Future[Outputs]:
        """Has one signature run, in a batch with other requests where that is allowed.

        Args:
          signature_name: a key of ``signatures``.
          inputs: every input of the signature, of its dtype; those that have a default may be left out.
          wanted: whether the client still waits; asked just before the graph is run.

        Returns:
          every output of the signature, or the ServingError of :meth:`run`.
        """
        inputs = {**self._defaults[signature_name], **inputs}
        if self._batcher is not None:
            return self._batcher.submit(signature_name, inputs, wanted)
        answer: Future[Outputs] = Future()
        try:
            answer.set_result(self._run_now(signature_name, inputs))
        except Exception as error:
            answer.set_exception(error)
        return answer

    def _run_now(self, signature_name: str, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
        signature = self.signatures[signature_name]
        try:
            call = self._calls.get(signature_name) or self._make_call(signature_name)
            outputs = call(*[np.asarray(inputs[alias]) for alias in signature.inputs])
        except tf.errors.OpError as error:
            raise from_tensorflow(error.error_code, error.message) from error
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes bytes of the request that are no text, and its code was lost with it.
            text = bytes(error.object).decode(errors="replace")
            raise from_tensorflow(tf.errors.INVALID_ARGUMENT, text) from None
        return dict(zip(signature.outputs, outputs, strict=True))

    def _make_call(self, signature_name: str) -> Callable[..., list[Any]]:
        """What runs a signature; made at its first run, which in a bundle is one of warm-up.

        The public ``Session.make_callable`` goes through all of ``Session.run`` at every call, 0.17 ms of Python.
        """
        signature = self.signatures[signature_name]
        with self._making:
            if signature_name not in self._calls:
                options = config_pb2.CallableOptions(
                    feed=[info.name for info in signature.inputs.values()],
                    fetch=[info.name for info in signature.outputs.values()],
                )
                self._calls[signature_name] = self._session._make_callable_from_options(options)
            return self._calls[signature_name]

    def close(self) -> None:
        """Frees the model's memory; nothing can be run afterwards."""
        self._calls = {}
        self._session.close()


def open_first_session() -> None:
    """Runs a session where nobody reads standard error; for a process that has no other thread yet.

    The first one of TensorFlow 2.20 writes two lines there past every log setting, which would stand in the log of a
    server that writes JSON.
    """
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    graph = tf.Graph()
    try:
        os.dup2(nowhere, 2)
        with graph.as_default(), tf.compat.v1.Session(graph=graph, config=_in_own_thread(of_a_bundle=True)) as session:
            session.run(tf.add(1, 1))
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _in_own_thread(of_a_bundle: bool) -> Any:
    """A session that runs a graph in the request's thread.

    A graph is a thousand small operations: handing them to other threads costs more than it brings. Those worth
    dividing are divided inside, by a pool of as many threads as there are cores but one: the one that reads requests.

    Args:
      of_a_bundle: the graph has no control flow of TensorFlow 1, so the executor may be the one that takes operations
        in a fixed order, which costs a fifth less, and never looks at branches that are not taken.
    """
    config = config_pb2.ConfigProto(
        inter_op_parallelism_threads=-1, intra_op_parallelism_threads=max((os.cpu_count() or 1) - 1, 1)
    )
    # What it looks for, training has, and its estimates write warnings of shapes past every log setting.
    config.graph_options.rewrite_options.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    if of_a_bundle:
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    return config


def load(version_dir: Path, require_manifest: bool = True, batcher_of: BatcherOf | None = None) -> Servable:
    """Verifies and loads a version folder.

    Of a bundle of kind ``scann`` the SavedModel with the ScaNN ops is loaded if this machine has the ops, and the one
    with exact search otherwise.

    Args:
      version_dir: a bundle, or a plain SavedModel.
      require_manifest: refuse a plain SavedModel.
      batcher_of: as of :class:`Servable`.

    Raises:
      BundleError: the folder is not complete, was changed, or is no SavedModel.
      ServingError: TensorFlow cannot load it.
    """
    manifest = None
    if require_manifest or (version_dir / manifests.MANIFEST).exists():
        manifest = manifests.verify(version_dir)
    directory = version_dir
    if manifest is not None and manifest.kind == "scann":
        if _scann_ops_load():
            directory = version_dir / manifests.SCANN_MODEL
        else:
            log.warning("%s: the ScaNN ops do not load here; serving exact search instead", version_dir)
    if not (directory / "saved_model.pb").is_file():
        raise BundleError(f"{directory}: no saved_model.pb, so this is no SavedModel.")
    try:
        return Servable(directory, manifest, batcher_of)
    except (ServingError, BundleError):
        raise
    except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        raise BundleError(f"{directory}: not a SavedModel that can be loaded: {error}.") from error


def _scann_ops_load() -> bool:
    try:
        import scann.scann_ops.py.scann_ops  # noqa: F401  (registers the ops)
    except (ImportError, OSError, tf.errors.OpError):
        return False
    return True
