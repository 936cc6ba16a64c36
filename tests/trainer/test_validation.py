import pytest

from tests.conformance.models import batch, built
from trainer.validation import Validator


@pytest.mark.parametrize("name", ["comirec_sa", "miracle"])
def test_item_vectors_computed_chunk_by_chunk_give_the_metrics_of_kept_ones(name):
    model = built(name, "default")
    batches = [batch(seed) for seed in range(4)]
    kept = Validator(model, (5, 20)).evaluate(batches)
    assert 0 < kept["recall_at_20"] < 1
    assert Validator(model, (5, 20), most_kept=0).evaluate(batches) == pytest.approx(kept, rel=1e-6)
