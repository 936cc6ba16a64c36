"""Checks a bundle in the real server against the trained model.

The trained model's own answer is computed apart from everything that serves: ``encode`` of the trainer's SavedModel,
and inner products by NumPy.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.bundle import manifest
from serving.client import Client
from serving.client.answers import ClientError
from serving.errors import ServingError
from serving.families.retrieval import Retrieval
from serving.families.tag_profiles import TagProfiles
from serving.publish.writer import read_description
from serving.server import Server
from serving.settings import ServingSettings
from serving.users import RawUser
from serving.validation.report import Checks, ValidationReport
from serving.validation.retrieval import RecommendationChecks
from serving.validation.tag_profiles import ProfileChecks
from trainer.errors import InputError

_START_SECONDS = 600.0
_TIMEOUT_SECONDS = 120.0

_CHECKS: dict[str, Callable[[str, Sequence[RawUser], ServingSettings], RecommendationChecks | ProfileChecks]] = {
    Retrieval.name: RecommendationChecks,
    TagProfiles.name: ProfileChecks,
}
"""Family -> what is asked of its bundles. Not a part of serving.families: a bundle is built without a server."""


def validate(model_dir: str, bundle_dir: str, users: Sequence[RawUser], serving: ServingSettings) -> ValidationReport:
    """Starts the real server on the bundle, asks it over gRPC, and compares with the trained model.

    Args:
      model_dir: the trainer's SavedModel.
      bundle_dir: the bundle that would be pushed.
      users: real users, each with a history.
      serving: thresholds, default k and model name.

    Returns:
      every check that was made. A bundle that cannot be loaded, or a server that fails, is a refusal with its
      reason, not an exception.
    """
    checks = Checks()
    if not users:
        checks.add("users", False, "There is no user with a history to validate with: the test split is empty.")
        return checks.report()
    try:
        judge = _CHECKS[read_description(model_dir).family](model_dir, users, serving)
        stated = manifest.verify(bundle_dir)
        with tempfile.TemporaryDirectory(prefix="polyrec-validation-") as base:
            versions = Path(base, serving.model_name)
            versions.mkdir()
            os.symlink(os.path.abspath(bundle_dir), versions / "1")
            with Server(base, serving.model_name, poll_seconds=3600) as server:
                _wait(server, serving.model_name)
                checks.add("server", True, "The server loaded the bundle and ran its warm-up requests.")
                target = f"127.0.0.1:{server.port}"
                with Client(target, serving.model_name, timeout=_TIMEOUT_SECONDS) as client:
                    judge.served(client, stated.kind, checks)
        judge.stock(bundle_dir, checks)
    except (InputError, ServingError, ClientError, TimeoutError) as error:
        checks.add("server", False, f"The bundle could not be served: {error}")
    return checks.report()


def _wait(server: Server, model_name: str) -> None:
    """Waits until the model answers or is refused.

    Raises:
      TimeoutError: with the reason in words.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        refused = any(version.error for version in server.manager.status(model_name))
        try:
            return server.wait_until_available(0.2)
        except TimeoutError:
            if refused or time.monotonic() > deadline:
                raise
