"""SINE's equations for one history, in NumPy and loops, from the layers' weights."""

import numpy as np

from trainer.layers.interests.interest_aggregation import InterestAggregation
from trainer.layers.interests.sparse_interest import SparseInterest


def softmax(values: np.ndarray) -> np.ndarray:
    """Over a vector."""
    weights = np.exp(values - np.max(values))
    return weights / weights.sum()


def norm(vector: np.ndarray, gamma: np.ndarray, beta: np.ndarray | float = 0.0) -> np.ndarray:
    """Layer normalisation of a vector."""
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-12) * gamma + beta


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def extract(layer: SparseInterest, items: np.ndarray, bias: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Interests of a history [n, D].

    Returns:
      chosen (indices of the active prototypes), gates, concepts [k, D], assignment P_{k|t} [k, n], weights [k, n],
      interests [k, D]; k of at most K.
    """
    n, dimension = items.shape
    variant, most = layer.variant, layer.num_interests
    pool = layer.pool.prototypes.numpy()
    keys = items + layer.positions.numpy()[:n]
    bias = np.zeros((most, n)) if bias is None else bias

    if variant == "octopus":
        votes = np.zeros(len(pool))
        for item in items:
            similarity = np.array([cosine(item, prototype) for prototype in pool])
            votes[similarity.argmax()] += softmax(similarity / layer.temperature).max()
        chosen = [place for place in np.argsort(-votes)[:most] if votes[place] > 0]
        strengths = votes[chosen]
    else:
        w1, *b1 = layer.pool.hidden.get_weights()
        (w2,) = layer.pool.logits.get_weights()
        seen = keys if variant == "official" else items
        attention = softmax(np.array([(np.tanh(x @ w1 + (b1[0] if b1 else 0)) @ w2).item() for x in seen]))
        scores = pool @ (attention @ items)
        chosen = list(np.argsort(-scores)[:most])
        strengths = scores[chosen]
    gates = 1 / (1 + np.exp(-strengths))
    concepts = pool[chosen] * gates[:, np.newaxis]

    logits = np.zeros((len(chosen), n))
    for k in range(len(chosen)):
        for t in range(n):
            if variant == "paper":
                (w3,) = layer.projection.get_weights()
                left = norm(items[t] @ w3, *layer.item_norm.get_weights())
                logits[k, t] = left @ norm(concepts[k], *layer.concept_norm.get_weights())
            else:
                logits[k, t] = cosine(items[t], pool[chosen[k]]) / layer.temperature
    assignment = np.array([softmax(logits[:, t]) for t in range(n)]).T

    weights, interests = np.zeros_like(logits), np.zeros((len(chosen), dimension))
    for k in range(len(chosen)):
        if variant == "official":
            (wa, ba), (wb, bb) = layer.hidden.get_weights(), layer.logits.get_weights()
            attention = np.array([(np.tanh(x @ wa + ba) @ wb + bb)[k] for x in keys])
            weights[k] = softmax(attention * assignment[k] + bias[k])
            interests[k] = weights[k] @ items
            continue
        (wa,) = layer.hidden.get_weights()
        place = k if variant == "paper" else 0
        reader = layer.readers.numpy()[place]
        matrix = wa[:, place * len(reader) : (place + 1) * len(reader)]
        attention = np.array([np.tanh(x @ matrix) @ reader for x in keys]) + bias[k]
        if variant == "octopus":
            weights[k] = assignment[k] * np.exp(attention) / (assignment[k] * np.exp(attention)).sum()
            interests[k] = weights[k] @ items
        else:
            weights[k] = softmax(attention) * assignment[k]
            interests[k] = norm(weights[k] @ items, *layer.interest_norm.get_weights())
    return {
        "chosen": np.array(chosen), "gates": gates, "concepts": concepts, "assignment": assignment,
        "weights": weights, "interests": interests, "keys": keys,
    }  # fmt: skip


def aggregate(
    layer: InterestAggregation, found: dict[str, np.ndarray], items: np.ndarray, kernel: np.ndarray | None = None
) -> np.ndarray:
    """Weights e [k] of the interests that :func:`extract` found; ``kernel`` is W3 where it is shared."""
    kernel, reader = layer.kernel.numpy() if kernel is None else kernel, layer.reader.numpy()
    history = found["assignment"].T @ found["concepts"]
    if layer.variant == "official":
        history = history + items
        seen = history + found["keys"] - items
        attention = softmax(np.array([np.tanh(x @ kernel + layer.offset.numpy()) @ reader for x in seen]))
        matrix, offset = layer.query.get_weights()
        query = np.concatenate([found["interests"].mean(axis=0), attention @ history]) @ matrix + offset
        return softmax(found["interests"] @ query)
    attention = softmax(np.array([np.tanh(x @ kernel) @ reader for x in history]))
    concept = norm(attention @ history, *layer.norm.get_weights())
    return softmax(found["interests"] @ concept / layer.temperature)
