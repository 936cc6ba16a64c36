"""Add a model in a file of your own and train it: the user's vector is the state of a GRU, as in GRU4Rec.

    .venv/bin/python examples/add_a_model.py [EVENTS.csv] [section.key=value ...]

Run examples/train_on_csv.py first: the log it wrote is used by default, and of its pipeline all that does not depend on
the model comes from the cache. docs/write-a-model.md explains the file line by line.
"""

import sys
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from pipeline.config.overrides import apply
from pipeline.config.run import validate
from pipeline.runs.run import Results, run
from trainer.errors import GateRefused, InputError
from trainer.keras_api import keras
from trainer.layers.history.masked_mean import MaskedMean
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class GRU4RecSettings(ModelSettings):
    """Settings of ``gru4rec``."""

    name: Literal["gru4rec"] = "gru4rec"
    num_interests: Literal[1] = 1


@register("gru4rec")
class GRU4Rec(RetrievalModel):
    """One vector a user: the state of a GRU after the history, added to the weighted mean of its items.

    Reference: Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016. Departs from it
    in the mean that is added, which says what the vector is made of, and in the loss, which all models share.
    """

    settings_class = GRU4RecSettings
    paper = "Hidasi et al., ICLR 2016"

    def __init__(self, settings: GRU4RecSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        # The plain loop over the history: stock TensorFlow ops on every machine.
        self.gru = keras.layers.RNN(keras.layers.GRUCell(settings.dimension), return_sequences=True, name="gru")
        self.pooling = MaskedMean(name="pooling")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class; K = 1."""
        means, weights = self.pooling(items, history_mask, queries, bias)
        states = self.gru(items, training=training)
        # The state at a query is the state after its prefix: one pass encodes them all.
        at = tf.maximum(queries, 0) + tf.zeros_like(history_mask[:, :1], queries.dtype)
        vectors = means + tf.gather(states, at, batch_dims=1)[:, :, tf.newaxis]
        return Encoding(vectors, tf.ones(tf.shape(vectors)[:3], tf.bool), weights)


def train(events: Path, overrides: list[str]) -> Results:
    """Runs the pipeline of examples/train_on_csv.py with the new model.

    Args:
      events: the log.
      overrides: ``section.key=value`` each.

    Raises:
      InputError, GateRefused: see pipeline.runs.run.run.
    """
    settings = {
        "data": {"directory": str(events.parent), "interactions": events.name},
        "model": {"name": "gru4rec"},
        # The model blessed last is another one: it sets no bar for this one.
        "evaluation": {"max_regression": None},
        "serving": {"model_name": "example"},
        "pipeline": {"name": "example"},
    }
    if events.with_name("items.csv").exists():
        settings["data"] |= {"items": "items.csv", "item_columns": {"title": "title", "category": "category"}}
    return run(validate(apply(settings, overrides), source=__file__))


def main(arguments: list[str]) -> None:
    """Trains and prints."""
    files, overrides = [a for a in arguments if "=" not in a], [a for a in arguments if "=" in a]
    results = train(Path(files[0] if files else "data/example/events.csv"), overrides)
    print(f"\ngru4rec: Recall@50 {results.record.metrics['recall_at_50'].value:.4f}")
    print("Compare it with the run before: .venv/bin/polyrec runs")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (InputError, GateRefused) as error:
        sys.exit(f"Error: {error}")
