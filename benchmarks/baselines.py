"""Popularity, item-kNN and EASE on ingested examples: python -m benchmarks.baselines EXAMPLES_DIR.

EXAMPLES_DIR is the output of InteractionExampleGen (folders Split-train, Split-valid, Split-test). Settings of
item-kNN and EASE are chosen by Recall@50 on the validation split; figures are of the test split. Metrics are computed
here in NumPy, apart from the trainer's implementation. Targets that training never saw count and cannot be hit; items
with equal scores are ranked in all orders, and metrics are the expectation.

References: Sarwar et al., WWW 2001 (item-kNN, cosine); Steck, "Embarrassingly Shallow Autoencoders for Sparse Data",
WWW 2019 (EASE, eq. 8).
"""

import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from scipy import sparse
from scipy.linalg import lapack

CUTOFFS = (20, 50, 500)
NEIGHBOURS, SHRINKS, PENALTIES = (50, 200), (0.0, 20.0), (100.0, 400.0, 1000.0)

Users = list[tuple[list[int], set[int]]]
Scorer = Callable[[sparse.csr_matrix], np.ndarray]


def read(directory: Path) -> tuple[sparse.csr_matrix, Users, Users]:
    """Training matrix (users x items, binary, items by descending frequency), validation and test users.

    Raises:
      FileNotFoundError: a split has no files.
    """
    sequences: dict[bytes, dict[bytes, None]] = {}
    for user, history, targets in examples_of(directory, "train"):
        sequences.setdefault(user, {}).update(dict.fromkeys([*history, *targets]))
    counts: dict[bytes, int] = {}
    for items in sequences.values():
        for item in items:
            counts[item] = counts.get(item, 0) + 1
    index = {item: row for row, item in enumerate(sorted(counts, key=lambda item: -counts[item]))}
    rows = [row for row, items in enumerate(sequences.values()) for _ in items]
    columns = [index[item] for items in sequences.values() for item in items]
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(sequences), len(index)))

    def held_out(split: str) -> Users:
        users = []
        for _, history, targets in examples_of(directory, split):
            unknown = {item: -1 - place for place, item in enumerate(targets)}
            users.append(
                ([index[i] for i in history if i in index], {index.get(item, unknown[item]) for item in targets})
            )
        return users

    return matrix, held_out("valid"), held_out("test")


def item_knn(matrix: sparse.csr_matrix, neighbours: int, shrink: float) -> Scorer:
    """Sum of the cosine similarities (shrunk) to the history's items, each item's nearest neighbours only."""
    together = (matrix.T @ matrix).tocsr()
    norm = np.sqrt(together.diagonal())
    together.setdiag(0)
    rows, columns = together.nonzero()
    together.eliminate_zeros()
    rows, columns = together.nonzero()
    values = together.data / (norm[rows] * norm[columns] + shrink)
    similarity = sparse.csr_matrix((values, (rows, columns)), together.shape)
    for row in range(similarity.shape[0]):
        part = similarity.data[similarity.indptr[row] : similarity.indptr[row + 1]]
        if len(part) > neighbours:
            part[part < np.partition(part, -neighbours)[-neighbours]] = 0
    return lambda histories: (histories @ similarity).toarray()


def ease(matrix: sparse.csr_matrix, penalty: float) -> Scorer:
    """``B = I - P diag(1 / diag P)``, ``P = (X^T X + penalty I)^-1``."""
    gram = (matrix.T @ matrix).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += penalty
    # Symmetric and positive definite: half the work of a general inverse.
    factor, _ = lapack.spotrf(gram, lower=True, overwrite_a=True)
    inverse, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return lambda histories: histories @ weights


def popularity(matrix: sparse.csr_matrix) -> Scorer:
    """Number of training users of each item."""
    counts = np.asarray(matrix.sum(axis=0))
    return lambda histories: np.repeat(counts, histories.shape[0], axis=0)


def evaluate(score: Scorer, users: Users, num_items: int) -> dict[str, float]:
    """Means over users of Recall, hit rate and NDCG, seen items kept, and removed (``_unseen``)."""
    totals: dict[str, float] = {}
    for start in range(0, len(users), 512):
        batch = users[start : start + 512]
        rows = [row for row, (history, _) in enumerate(batch) for _ in set(history)]
        columns = [item for history, _ in batch for item in set(history)]
        histories = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(batch), num_items))
        scores = np.asarray(score(histories))
        for suffix in ("", "_unseen"):
            if suffix:
                scores[rows, columns] = -np.inf
            for row, (_, targets) in zip(scores, batch, strict=True):
                for name, value in expected_metrics(row, targets, CUTOFFS).items():
                    totals[name + suffix] = totals.get(name + suffix, 0.0) + value
    return {key: total / len(users) for key, total in totals.items()}


def expected_metrics(scores: np.ndarray, targets: set[int], cutoffs: tuple[int, ...] = (20, 50)) -> dict[str, float]:
    """One user's Recall, hit rate and NDCG, the expectation over all orders of equal scores.

    Args:
      scores: [N], -inf for an item that is not ranked.
      targets: items, at least one; negative numbers for those outside the catalogue.
      cutoffs: the N to report.
    """
    groups: dict[float, list[int]] = {}
    for item in targets:
        if item >= 0 and scores[item] > -np.inf:
            groups.setdefault(float(scores[item]), []).append(item)
    found = {}
    for n in cutoffs:
        discounts = 1 / np.log2(np.arange(n) + 2)
        hits, gain, none = 0.0, 0.0, 1.0
        for score, items in groups.items():
            better, tied = int((scores > score).sum()), int((scores == score).sum())
            places = min(max(n - better, 0), tied)
            hits += len(items) * places / tied
            gain += len(items) * discounts[better : better + places].sum() / tied
            none *= math.comb(tied - len(items), places) / math.comb(tied, places)
        found[f"recall_at_{n}"] = hits / len(targets)
        found[f"hit_rate_at_{n}"] = 1 - none
        found[f"ndcg_at_{n}"] = float(gain / discounts[: len(targets)].sum())
    return found


def measure(directory: Path) -> dict[str, dict[str, float]]:
    """Test metrics of each baseline, with the settings that were best on validation in its name."""
    matrix, valid, test = read(directory)
    candidates: dict[str, list[tuple[str, Callable[[], Scorer]]]] = {
        "popularity": [("", partial(popularity, matrix))],
        "item-kNN": [
            (f"{n} neighbours, shrink {shrink:g}", partial(item_knn, matrix, n, shrink))
            for n in NEIGHBOURS
            for shrink in SHRINKS
        ],
        "EASE": [(f"penalty {penalty:g}", partial(ease, matrix, penalty)) for penalty in PENALTIES],
    }
    results = {}
    for name, settings in candidates.items():
        best: tuple[float, str, dict[str, float]] = (-1.0, "", {})
        for label, build in settings:
            score = build()
            recall = evaluate(score, valid, matrix.shape[1])["recall_at_50"] if len(settings) > 1 else 0.0
            if recall > best[0]:
                best = (recall, label, evaluate(score, test, matrix.shape[1]))
        results[f"{name} ({best[1]})" if best[1] else name] = best[2]
    return results


def examples_of(directory: Path, split: str) -> list[tuple[bytes, list[bytes], list[bytes]]]:
    """User, history and targets of each example of a split.

    Raises:
      FileNotFoundError: the split has no files.
    """
    files = sorted(str(path) for path in (directory / f"Split-{split}").glob("*.gz"))
    if not files:
        raise FileNotFoundError(f"{directory} has no files in Split-{split}: give the output folder of ingestion.")
    spec = {name: tf.io.RaggedFeature(tf.string) for name in ("user_id", "history", "targets")}
    examples = []
    for serialized in tf.data.TFRecordDataset(files, "GZIP").batch(4096):
        parsed = tf.io.parse_example(serialized, spec)
        users, histories, targets = (parsed[name].to_list() for name in ("user_id", "history", "targets"))
        examples += [
            (user[0], history, target) for user, history, target in zip(users, histories, targets, strict=True)
        ]
    return examples


@click.command(help=__doc__)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures.")
def _command(directory: Path, json_file: Path | None) -> None:
    results = measure(directory)
    table = Table(title="Baselines on the test split (% of users' mean)")
    table.add_column("baseline")
    columns = [
        f"{metric}_at_{n}{suffix}" for suffix in ("", "_unseen") for n in CUTOFFS for metric in ("recall", "ndcg")
    ]
    for column in columns:
        table.add_column(column, justify="right")
    for name, metrics in results.items():
        table.add_row(name, *(f"{100 * metrics[column]:.2f}" for column in columns))
    Console(width=200).print(table)
    if json_file:
        json_file.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    _command()
