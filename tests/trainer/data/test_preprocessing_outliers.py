"""Numeric profile features, by hand: outliers are clipped ten ranges outside of the 10 % and the 90 % quantile."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.trainer.transformed import raw, transform


def _ages(directory, train, served):
    """Transformed training ages and, by the same graph, those of ``served``."""
    rows = [raw("u", "abc", "d", age=age) for age in train]
    done = transform(directory, rows, [raw("w", "abc", "d", age=age) for age in served], max_history=3)
    spec = done.output.transformed_feature_spec()
    records = tf.data.TFRecordDataset(done.valid_files, "GZIP").as_numpy_iterator()
    valid = [float(tf.io.parse_single_example(record, spec)["user_age"][0]) for record in records]
    assert isinstance(done.output, tft.TFTransformOutput)
    return np.array([float(row["user_age"][0]) for row in done.rows]), np.array(valid)


@pytest.mark.parametrize("outlier", [1e30, -3e38])
def test_an_outlier_is_clipped_and_the_others_stay_apart(tmp_path, outlier):
    # 10 % of 0 to 99 and one more is 10, 90 % is 90 (one more or less by the sketch's choice of ranks).
    train, valid = _ages(tmp_path, [*map(float, range(100)), outlier], [0.0, 50.0, outlier, 5e10 * np.sign(outlier)])
    bound = 90 + 800 if outlier > 0 else 10 - 800
    expected = np.array([*range(100), bound], float)
    mean, deviation = expected.mean(), expected.std()
    np.testing.assert_allclose(train, (expected - mean) / deviation, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(valid[:2], (np.array([0, 50]) - mean) / deviation, rtol=0.02, atol=0.02)
    assert valid[2] == valid[3] == train[-1]


def test_without_outliers_it_is_the_z_score(tmp_path):
    values = np.random.default_rng(3).lognormal(size=300).astype(np.float32)
    train, _ = _ages(tmp_path, values.tolist(), [])
    np.testing.assert_allclose(train, (values - values.mean()) / values.std(), rtol=1e-4, atol=1e-5)


def test_a_rare_value_among_equal_ones_is_kept(tmp_path):
    # 97 zeros and three ones: the inner quantiles are both 0, the outer ones 0 and 1.
    train, valid = _ages(tmp_path, [0.0] * 97 + [1.0] * 3, [1.0, 1e30])
    values = np.array([0] * 97 + [1] * 3)
    np.testing.assert_allclose(train, (values - 0.03) / values.std(), rtol=1e-5)
    np.testing.assert_allclose(valid, (np.array([1, 1 + 10]) - 0.03) / values.std(), rtol=1e-5)


def test_an_outlier_in_a_column_that_is_constant_otherwise_does_not_overflow(tmp_path):
    train, valid = _ages(tmp_path, [0.1] * 24 + [3e38], [0.1, 3e38])
    # One of 25: (n - 1) / sqrt(n - 1) and -1 / sqrt(n - 1) standard deviations.
    np.testing.assert_allclose(train, [-1 / np.sqrt(24)] * 24 + [np.sqrt(24)], rtol=1e-5)
    np.testing.assert_allclose(valid, [-1 / np.sqrt(24), np.sqrt(24)], rtol=1e-5)


def test_a_constant_column_and_one_without_values_are_zeros(tmp_path):
    train, valid = _ages(tmp_path / "constant", [0.1] * 30, [0.1, 7.0, 1e30])
    assert not train.any() and not valid.any()
    train, valid = _ages(tmp_path / "empty", [None] * 5, [None, 3.0])
    assert not train.any() and not valid.any()
