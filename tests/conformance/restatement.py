"""The encoders once more, from the papers, for one user at a time, with NumPy and loops; nothing of ours is imported.

``x`` [n, D] are the item vectors of a history, ``bias`` [K, n] the recency weights, ``w`` the weights by name. Each
function returns the interests [K, D] of the whole history and which of them are in use [K].
"""

from math import erf, sqrt

import numpy as np


def softmax(values, axis=-1):
    e = np.exp(values - values.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def layer_norm(values, gain=1.0, offset=0.0):
    centred = values - values.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12) + offset


def squash(z):
    length = np.linalg.norm(z)
    return z * length / (1 + length**2)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def item_vectors(table, categories, category_table):
    """An embedding and the mean of those of its categories (0 is none)."""
    rows = []
    for row, numbers in zip(table, categories, strict=True):
        known = [category_table[number] for number in numbers if number > 0]
        rows.append(row + (np.mean(known, axis=0) if known else 0.0))
    return np.array(rows)


def vectors_of_texts(texts, w):
    """UniSRec's mixture of experts."""
    gates = softmax(texts @ w["gate"])
    experts = [(texts - centre) @ w["kernels"][:, g] for g, centre in enumerate(w["centres"])]
    return np.einsum("ng,gnd->nd", gates, np.array(experts))


def recency(distance, age, gaps):
    """[K, n]: by how many items back, and by the power of two of the seconds that have gone by."""
    clock = np.cumsum(np.expm1(gaps))
    back = np.arange(len(gaps))[::-1]
    buckets = np.minimum(np.floor(np.log2(1 + clock[-1] - clock)).astype(int), len(age) - 1)
    return (distance[back] + age[buckets]).T


def profile(jobs, table, value):
    known = [table[job] for job in jobs if job > 0]
    return np.concatenate([np.mean(known, axis=0) if known else np.zeros(table.shape[1]), [value]])


def projected(interests, about, w):
    wide = np.concatenate([interests, np.tile(about, (len(interests), 1))], axis=1)
    return interests + np.maximum(wide @ w["inner"] + w["inner_bias"], 0) @ w["outer"] + w["outer_bias"]


def two_tower(x, bias, w):
    return softmax(bias) @ x, np.array([True])


def comirec_sa(x, bias, w):
    hidden = np.tanh((x + w["positions"][: len(x)]) @ w["hidden"] + w["hidden_bias"])
    attention = softmax((hidden @ w["logits"] + w["logits_bias"]).T + bias)
    return attention @ x, np.ones(len(bias), bool)


def _routed(votes, logits, weights, iterations=3):
    """votes [n, K, D], logits [n, K], weights [n, K]."""
    for iteration in range(iterations):
        coupling = softmax(logits, axis=1)
        capsules = np.array([squash(z) for z in np.einsum("nk,nk,nkd->kd", coupling, weights, votes)])
        if iteration < iterations - 1:
            logits = logits + np.einsum("kd,nkd->nk", capsules, votes)
    return capsules


def comirec_dr(x, bias, w):
    (n, d), k = x.shape, len(bias)
    matrices = w["matrices"][:n].reshape(n, k, d, d)
    votes = np.einsum("nkde,ne->nkd", matrices, x)
    return _routed(votes, np.zeros((n, k)), n * softmax(bias).T), np.ones(k, bool)


def mind(x, bias, w):
    n, k = len(x), len(bias)
    used = max(1, min(k, int(np.floor(np.log2(n)))))
    votes = np.repeat((x @ w["bilinear"].T)[:, np.newaxis], used, axis=1)
    capsules = _routed(votes, w["routing_logits"][:used, :n].T, n * softmax(bias[:used]).T)
    return np.concatenate([capsules, np.zeros((k - used, x.shape[1]))]), np.arange(k) < used


def sine(x, bias, w):
    """The paper's equations; its interests are joined into one vector."""
    (n, d), k = x.shape, len(bias)
    summary = softmax(np.tanh(x @ w["pool_hidden"]) @ w["pool_logits"][:, 0]) @ x
    strengths = w["prototypes"] @ summary
    chosen = np.argsort(-strengths)[:k]
    concepts = w["prototypes"][chosen] / (1 + np.exp(-strengths[chosen]))[:, np.newaxis]
    left = layer_norm(x @ w["projection"], w["item_gain"], w["item_offset"])
    assignment = softmax(left @ layer_norm(concepts, w["concept_gain"]).T, axis=1)
    keys, interests = x + w["positions"][:n], []
    for place in range(k):
        hidden = np.tanh(keys @ w["hidden"][:, place * d : (place + 1) * d])
        attention = softmax(hidden @ w["readers"][place] + bias[place])
        interests.append((attention * assignment[:, place]) @ x)
    interests = layer_norm(np.array(interests), w["interest_gain"], w["interest_offset"])
    as_concepts = assignment @ concepts
    attention = softmax(np.tanh(as_concepts @ w["kernel"]) @ w["reader"])
    concept = layer_norm(attention @ as_concepts, w["norm_gain"], w["norm_offset"])
    return (softmax(interests @ concept / 0.1) @ interests)[np.newaxis], np.array([True])


def octopus(x, bias, w):
    """Items vote for the nearest channel; the channels with the most votes share the items out among them."""
    n, k = len(x), len(bias)
    probability = softmax(unit(x) @ unit(w["prototypes"]).T / 0.07)
    votes = np.zeros(len(w["prototypes"]))
    for row in probability:
        votes[row.argmax()] += row.max()
    chosen = np.argsort(-votes, kind="stable")[:k]
    chosen = chosen[votes[chosen] > 0]
    assignment = softmax(unit(x) @ unit(w["prototypes"][chosen]).T / 0.07)
    logits = np.tanh((x + w["positions"][:n]) @ w["hidden"]) @ w["readers"][0]
    interests = np.zeros((k, x.shape[1]))
    for place in range(len(chosen)):
        weights = assignment[:, place] * np.exp(logits + bias[place])
        interests[place] = weights @ x / weights.sum()
    return interests, np.arange(k) < len(chosen)


def shrinkage(x, bias, w, temperature):
    """Groups by greedy coverage of the history; then the mean of the history, moved toward each group by half.

    ``bias`` is of the whole history; ``raw`` are the vectors without context, and the last component is the prior.
    """
    weights, directions = softmax(bias)[0], unit(w["raw"])
    cosines = directions @ directions.T
    missed, centres = np.ones(len(x)), []
    for _ in range(w["places"]):
        gains = [weights @ (missed * np.maximum(cosines[c], 0) ** 2) for c in range(len(x))]
        centre = int(np.argmax(gains))
        if centres and gains[centre] < 1e-3:
            break
        centres.append(centre)
        missed = missed * (1 - np.maximum(cosines[centre], 0) ** 2)
    shares = softmax(cosines[centres] / 0.1, axis=0) * weights
    mass = shares.sum(axis=1)
    moves = (shares / mass[:, np.newaxis]) @ unit(
        x + np.maximum(x @ w["inner"] + w["inner_bias"], 0) @ w["outer"] + w["outer_bias"]
    )
    interests = np.zeros((w["places"], x.shape[1] + 1))
    interests[: len(centres), :-1] = unit(unit(w["project"]((weights @ x)[np.newaxis])) + 0.5 * moves)
    interests[: len(centres), -1] = temperature * np.log(mass)
    return interests, np.arange(w["places"]) < len(centres)


def transformer(x, w, heads):
    """BERT's layers with a causal mask and norms without gain."""
    (n, d), width = x.shape, x.shape[1] // heads
    states = layer_norm(x + w["positions"][1 : n + 1])
    for block in w["blocks"]:
        query, value = states @ block["query"] + block["query_bias"], states @ block["value"] + block["value_bias"]
        key, seen = states @ block["key"], np.zeros((n, d))
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            for t in range(n):
                scores = softmax(key[: t + 1, part] @ query[t, part] / np.sqrt(width))
                seen[t, part] = scores @ value[: t + 1, part]
        states = layer_norm(states + seen @ block["joined"] + block["joined_bias"])
        inner = states @ block["inner"] + block["inner_bias"]
        inner = inner * np.vectorize(_normal_cdf)(inner)
        states = layer_norm(states + inner @ block["outer"] + block["outer_bias"])
    return states


def in_context(x, w):
    return x + w["gain"] * transformer(x, w, heads=2)


def _normal_cdf(value):
    return (1 + erf(value / sqrt(2))) / 2


def miracle(x, bias, w, heads=2):
    n, k = len(x), len(bias)
    encoded = transformer(x, w["encoder"], heads)
    gates = encoded @ w["base"].T
    used = np.array([capsule in gates.argmax(axis=1) for capsule in range(k)])
    hidden = np.tanh((encoded + w["positions"][:n]) @ w["hidden"] + w["hidden_bias"])
    share = softmax((hidden @ w["logits"][:, 0]) + bias[used])
    projection = np.tanh(encoded @ w["projection"] + w["projection_bias"]) + encoded
    votes = layer_norm(projection, w["gain"], w["offset"])
    votes = np.repeat(votes[:, np.newaxis], used.sum(), axis=1)
    interests = np.zeros((k, x.shape[1]))
    interests[used] = _routed(votes, gates[:, used], share.T)
    return interests, used
