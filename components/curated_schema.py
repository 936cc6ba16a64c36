"""TFX's ImportSchemaGen with the content of the file in the cache key."""

import hashlib

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types import Channel, standard_artifacts
from tfx.types.component_spec import ExecutionParameter
from tfx.types.standard_component_specs import ImportSchemaGenSpec

from components.ingestion.tables import open_binary


class CuratedSchemaSpec(ImportSchemaGenSpec):
    """The specification of ImportSchemaGen, and what is in the file."""

    PARAMETERS = {**ImportSchemaGenSpec.PARAMETERS, "content": ExecutionParameter(type=str)}


class CuratedSchema(ImportSchemaGen):
    """Imports a schema file; a changed one is imported again, which the stock component would not do.

    Args:
      schema_file: its path.
      content: see :func:`content_of`; "" where the file cannot be seen yet.
    """

    SPEC_CLASS = CuratedSchemaSpec

    def __init__(self, schema_file: str, content: str = "") -> None:
        spec = CuratedSchemaSpec(
            schema_file=schema_file, content=content, schema=Channel(type=standard_artifacts.Schema)
        )
        BaseComponent.__init__(self, spec=spec)


def content_of(schema_file: str) -> str:
    """The SHA-256 of the file.

    Raises:
      InputError: it cannot be read.
    """
    with open_binary(schema_file) as file:
        return hashlib.sha256(file.read()).hexdigest()
