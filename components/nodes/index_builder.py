"""TFX component: builds the served bundle from the trained model."""

import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from components.nodes.local_folder import local_target
from serving.index.tuning import TUNING_USERS
from serving.publish.writer import build_bundle, read_description
from serving.settings import IndexSettings, ServingSettings
from serving.users import read_users
from trainer.data import schema
from trainer.storage_paths import remove_folder


@component
def IndexBuilder(
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    bundle: OutputArtifact[Model],
    index: Parameter[str],
    serving: Parameter[str],
) -> None:
    """Builds the index and the served graph around a trained model.

    Args:
      model: the trainer's model.
      examples: raw examples; ``index.target_recall`` is reached for users of the split ``valid``.
      bundle: gets the version folder a server loads, where ``path_utils.serving_model_path`` finds it.
      index: kind and sizes of the index: IndexSettings as JSON.
      serving: default k and model name: ServingSettings as JSON.

    Raises:
      InputError: see :func:`serving.publish.writer.build_bundle`.
    """
    settings = IndexSettings.model_validate_json(index)
    model_dir, users = path_utils.serving_model_path(model.uri), []
    if settings.target_recall is not None:
        valid = artifact_utils.get_split_uri([examples], schema.VALID_SPLIT)
        features = read_description(model_dir).user_features
        users = read_users(fileio.glob(os.path.join(valid, "*")), features, TUNING_USERS)
    # A retry finds what an attempt that was killed left under the same address.
    remove_folder(bundle.uri)
    with local_target(path_utils.serving_model_dir(bundle.uri)) as directory:
        build_bundle(model_dir, directory, settings, ServingSettings.model_validate_json(serving), users)
