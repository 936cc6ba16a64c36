import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.towers.added_loss import AddedLoss


def test_the_last_call_counts():
    layer = AddedLoss()
    layer(tf.constant(3.0))
    layer(tf.constant(2.0))
    assert [float(loss) for loss in layer.losses] == [2.0]
    check_config_round_trip(layer)
