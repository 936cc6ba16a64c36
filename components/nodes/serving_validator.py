"""TFX component: gate that validates the bundle in the real server before it is pushed."""

import json
import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model
from tfx.utils import io_utils, path_utils

from components.execution import REASON
from components.nodes.local_folder import local_copy
from serving.publish.writer import read_description
from serving.settings import ServingSettings
from serving.users import read_users
from serving.validation.report import ValidationReport
from serving.validation.validate import validate
from trainer.data import schema

REPORT = "report.json"
"""File in the blessing's folder with every check."""


@component
def ServingValidator(
    model: InputArtifact[Model],
    bundle: InputArtifact[Model],
    examples: InputArtifact[Examples],
    blessing: OutputArtifact[InfraBlessing],
    serving: Parameter[str],
) -> None:
    """Starts the real server on the bundle and compares its answers, over gRPC, with the trained model's.

    A refusal is no error of the component.

    Args:
      model: the trainer's model.
      bundle: the bundle built from it.
      examples: raw examples; real users are taken from the split ``test``.
      blessing: gets the report in ``report.json`` and the property ``reason``.
      serving: thresholds, default k and model name: ServingSettings as JSON.
    """
    settings = ServingSettings.model_validate_json(serving)
    model_dir = path_utils.serving_model_path(model.uri)
    test = artifact_utils.get_split_uri([examples], schema.TEST_SPLIT)
    features = read_description(model_dir).user_features
    users = read_users(fileio.glob(os.path.join(test, "*")), features, settings.validation_users)
    with local_copy(path_utils.serving_model_path(bundle.uri)) as bundle_dir:
        report = validate(model_dir, bundle_dir, users, settings)
    _write(report, blessing)


def _write(report: ValidationReport, blessing: Artifact) -> None:
    content = {"blessed": report.blessed, "reason": report.reason, **report.model_dump()}
    io_utils.write_string_file(os.path.join(blessing.uri, REPORT), json.dumps(content, indent=1) + "\n")
    # The marker file and the properties are those of TFX's InfraValidator: its Pusher reads "blessed".
    marker = "INFRA_BLESSED" if report.blessed else "INFRA_NOT_BLESSED"
    io_utils.write_string_file(os.path.join(blessing.uri, marker), "")
    blessing.set_int_custom_property("blessed", int(report.blessed))
    blessing.set_int_custom_property("has_model", 0)
    blessing.set_string_custom_property(REASON, report.reason)
