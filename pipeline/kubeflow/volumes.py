"""Local paths of a pipeline on Kubeflow: each step sees mounted volumes, and nothing of another step's disk."""

import os
from collections.abc import Iterator

from pipeline.config.run import Config
from trainer.errors import InputError


def refuse_unmounted(config: Config) -> None:
    """Refuses local paths that are on none of ``kubeflow.volumes``, and a bucket to push to.

    Args:
      config: with absolute paths.

    Raises:
      InputError: there are such paths; all of them, a line each.
    """
    folders = [os.path.normpath(folder) for folder in config.kubeflow.volumes.values()]
    wrong = [
        f"{key}: {path} is on no volume, and no step would find it. Mount its folder with kubeflow.volumes, such as "
        f"{{CLAIM: {os.path.dirname(path)}}}{'' if key in _FOLDERS_ONLY else ', or give a URL (gs://)'}."
        for key, path in _paths(config)
        if "://" not in path and not any(_inside(path, folder) for folder in folders)
    ]
    if "://" in config.serving.directory:
        wrong.append(
            f"serving.directory: {config.serving.directory} is a bucket, where no version appears as a whole. Give a "
            "folder of a volume that the server mounts as well (kubeflow.volumes)."
        )
    if wrong:
        raise InputError("\n".join(wrong))


_FOLDERS_ONLY = ("serving.directory", "text.cache", "text.model", "model.base_model")


def _paths(config: Config) -> Iterator[tuple[str, str]]:
    """Key and path of what steps read and write; data files start at their folder."""
    data, text = config.data, config.text
    for key in ("interactions", "items", "users"):
        name = getattr(data, key)
        if name is not None:
            yield f"data.{key}", name if "://" in name else os.path.join(data.directory, name)
    if config.validation.schema_path:
        yield "validation.schema_path", config.validation.schema_path
    if (base := getattr(config.model, "base_model", None)) is not None:
        yield "model.base_model", base
    if text is not None:
        if text.cache:
            yield "text.cache", text.cache
        # Any other is a name on the hub.
        if text.model and os.path.isabs(text.model):
            yield "text.model", text.model
    yield "serving.directory", config.serving.directory


def _inside(path: str, folder: str) -> bool:
    path = os.path.normpath(path)
    return os.path.isabs(path) and os.path.commonpath([path, folder]) == folder
