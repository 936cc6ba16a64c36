"""Part of the graph that encodes item texts and imports the base model."""

import os
from typing import NamedTuple

from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.types import BaseChannel, standard_artifacts

from components.nodes.text_encoder import FINGERPRINT, TextEncoder
from components.settings import TextSettings
from components.text import language_model
from pipeline.config.run import Config
from trainer.storage_paths import join
from trainer.training import pretrained as base_model

IMPORTER = "BaseModel"


class TextNodes(NamedTuple):
    """Nodes of the graph, and their outputs that the Trainer wants, if they exist.

    Attributes:
      nodes: in order.
      vectors: of the items' texts.
      base_model: what training starts from.
    """

    nodes: tuple[BaseNode, ...]
    vectors: BaseChannel | None
    base_model: BaseChannel | None


NO_TEXTS = TextNodes((), None, None)


def text_nodes(config: Config, items: BaseChannel, local: bool = True) -> TextNodes:
    """The text encoder where the configuration has one, and the Importer of a base model.

    A base model brings its text encoder along, so that the section ``text`` may be left out.

    Args:
      config: with absolute paths.
      items: item examples.
      local: whether a language model on the hub is fetched to this machine, so that its files are in the cache key.

    Raises:
      InputError: there is no such base model or language model.
    """
    folder = getattr(config.model, "base_model", None)
    if folder is None and config.text is None:
        return NO_TEXTS
    text, base, nodes = config.text, None, []
    if folder is not None:
        described = base_model.read(folder)
        # TFX knows an imported artifact by its folder and properties; the files behind it may change.
        importer = Importer(
            source_uri=folder,
            artifact_type=standard_artifacts.Model,
            custom_properties={FINGERPRINT: described.fingerprint},
        ).with_id(IMPORTER)
        nodes.append(importer)
        base = importer.outputs["result"]
        text = text or TextSettings(**described.text_encoder.settings)
    assert text is not None
    encoder = TextEncoder(
        items=items,
        text=text.model_dump_json(),
        cache=text.cache or join(config.pipeline.root, "text_cache"),
        base_model=base,
        model_files=_files_of(text, local),
    )
    return TextNodes((*nodes, encoder), encoder.outputs["vectors"], base)


def _files_of(text: TextSettings, local: bool) -> str:
    """A number for the files of a language model; a revision on the hub, such as main, may name others tomorrow."""
    if text.encoder != language_model.KIND or not (local or os.path.isdir(str(text.model))):
        return ""
    return language_model.fingerprint(language_model.locate(text), text.pooling, text.max_tokens)
