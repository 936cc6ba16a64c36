"""TFX components: the data schema, inferred or curated, without bounds that ordinary growth breaks."""

import os

from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME as SCHEMA_FILE
from tfx.components.schema_gen.executor import Executor as SchemaGen
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ExampleStatistics, Schema
from tfx.utils import io_utils

from components.validation.growth import without_growth
from components.validation.schema_file import read_schema


@component
def InferredSchema(statistics: InputArtifact[ExampleStatistics], schema: OutputArtifact[Schema]) -> None:
    """TFX's SchemaGen, and then :func:`~components.validation.growth.without_growth`.

    Shapes are never inferred, because a request may lack any feature. What it writes can be frozen as
    ``validation.schema_path``.

    Args:
      statistics: of StatisticsGen; all splits agree with the schema.
      schema: gets the schema.
    """
    SchemaGen().Do({"statistics": [statistics]}, {"schema": [schema]}, {"infer_feature_shape": False})
    path = os.path.join(schema.uri, SCHEMA_FILE)
    io_utils.write_pbtxt_file(path, without_growth(io_utils.SchemaReader().read(path), inferred=True))


@component
def CuratedSchema(schema: OutputArtifact[Schema], schema_file: Parameter[str], content: Parameter[str] = "") -> None:
    """Takes the schema from a file, and then :func:`~components.validation.growth.without_growth`.

    Args:
      schema: gets the schema.
      schema_file: text form of a tensorflow.metadata.v0.Schema.
      content: see :func:`components.validation.schema_file.content_of`: an edited file has the same path, and TFX's
        cache looks at parameters alone. "" where the file cannot be seen yet.

    Raises:
      InputError: there is no such file, or it holds no schema.
    """
    relaxed = without_growth(read_schema(schema_file), inferred=False)
    io_utils.write_pbtxt_file(os.path.join(schema.uri, SCHEMA_FILE), relaxed)
