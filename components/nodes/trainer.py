"""TFX's Trainer with the catalogue as an additional input."""

from typing import Any

from tfx.components.trainer.component import Trainer
from tfx.components.trainer.executor import GenericExecutor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.components.base import executor_spec
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter
from tfx.types.standard_component_specs import BASE_MODEL_KEY, TrainerSpec
from tfx.utils import json_utils

from components.execution import CODE_FINGERPRINT, Artifacts
from trainer.data import schema
from trainer.storage_paths import join, parent

TEXTS_KEY = "texts"
ITEMS_KEY = "items"
ITEMS_SPLIT = "items"
_TRAIN, _VALID = schema.TRAIN_SPLIT, schema.VALID_SPLIT


class ModelTrainerSpec(TrainerSpec):
    """The Trainer's specification, the item examples and, for models that use them, vectors of the items' texts."""

    INPUTS = {
        **TrainerSpec.INPUTS,
        ITEMS_KEY: ChannelParameter(type=standard_artifacts.Examples),
        TEXTS_KEY: ChannelParameter(type=standard_artifacts.Examples, optional=True),
    }


class ModelTrainerExecutor(GenericExecutor):
    """Tells the run function where items, texts and base model are, and where an interrupted training is kept."""

    def _GetFnArgs(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> FnArgs:
        own = (ITEMS_KEY, TEXTS_KEY, BASE_MODEL_KEY)
        inputs = {key: artifacts for key, artifacts in input_dict.items() if key not in own}
        fn_args = super()._GetFnArgs(inputs, output_dict, exec_properties)
        items = artifact_utils.get_split_uri(input_dict[ITEMS_KEY], ITEMS_SPLIT)
        texts, base = input_dict.get(TEXTS_KEY), input_dict.get(BASE_MODEL_KEY)
        # Not the folder of a SavedModel, which is what TFX takes a base model for.
        fn_args.base_model = artifact_utils.get_single_uri(base) if base else None
        # The run's own folder is new at every attempt; the one above it is the component's.
        component = parent(output_dict["model"][0].uri, 2)
        fn_args.custom_config = {
            **fn_args.custom_config,
            "item_files": [join(items, "*")],
            "text_vectors": artifact_utils.get_single_uri(texts) if texts else None,
            "resume_directory": join(component, "interrupted"),
            # What is interrupted is continued by the same code only.
            CODE_FINGERPRINT: exec_properties.get(CODE_FINGERPRINT),
        }
        return fn_args


class ModelTrainer(Trainer):
    """Trains one model of the registry.

    Trains on the split ``train`` and validates on ``valid``. A subclass of TFX's Trainer, because the stock one has
    no input for a catalogue (docs/adr).

    Args:
      examples: transformed examples.
      transform_graph: Transform's graph.
      schema: the data's schema.
      items: item examples, one split ``items``.
      custom_config: see trainer.run_fn.FnArgs.
      texts: vectors of the items' texts, for models that use them.
      base_model: a base model to start from (trainer/training/pretrained.py).
      run_fn: dotted name of the run function.
    """

    SPEC_CLASS = ModelTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ModelTrainerExecutor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        schema: BaseChannel,
        items: BaseChannel,
        custom_config: dict[str, Any],
        texts: BaseChannel | None = None,
        base_model: BaseChannel | None = None,
        run_fn: str = "trainer.run_fn.run_fn",
    ) -> None:
        spec = ModelTrainerSpec(
            examples=examples,
            transform_graph=transform_graph,
            schema=schema,
            items=items,
            texts=texts,
            base_model=base_model,
            train_args=trainer_pb2.TrainArgs(splits=[_TRAIN]),
            eval_args=trainer_pb2.EvalArgs(splits=[_VALID]),
            run_fn=run_fn,
            custom_config=json_utils.dumps(custom_config),
            model=Channel(type=standard_artifacts.Model),
            model_run=Channel(type=standard_artifacts.ModelRun),
        )
        super(Trainer, self).__init__(spec=spec)
