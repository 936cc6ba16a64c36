"""The models' released code once more, for one history at a time, with NumPy and loops; nothing of ours is imported.

ComiRec (SA, DR and its MIND), SINE and MIRACLE, as their authors' repositories compute them. ``x`` [n, D] are the item
vectors of a history, ``w`` the weights by name, ``T`` the length that histories are padded to: behind the items where
ComiRec and SINE pad, in front of them where MIRACLE does. Each function returns the interests [K, D] in use.
"""

from math import erf, sqrt

import numpy as np

VERY_LOW = -(2.0**32) + 1


def softmax(values, axis=-1):
    exponentials = np.exp(values - values.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _squashed(z):
    square = (z**2).sum(axis=-1, keepdims=True)
    return square / (1 + square) / np.sqrt(square + 1e-9) * z


def _padded_behind(x, length):
    mask = np.arange(length) < len(x)
    return np.concatenate([x, np.zeros((length - len(x), x.shape[1]))]), mask


def _attention(hidden, w, mask):
    """Logits of each head with padding far below, then the softmax over the history: [heads, T]."""
    logits = (np.tanh(hidden @ w["hidden"] + w["hidden_bias"]) @ w["logits"] + w.get("logits_bias", 0)).T
    return softmax(np.where(mask, logits, VERY_LOW))


def comirec_sa(x, w, length):
    padded, mask = _padded_behind(x, length)
    return _attention(padded + w["positions"], w, mask) @ padded


def _capsules(votes, logits, mask):
    """votes [K, T, D], logits [K, T]; the weights of padding are set to zero behind the softmax over K."""
    for turn in range(3):
        weights = np.where(mask, softmax(logits, axis=0), 0.0)
        capsules = _squashed((weights[:, np.newaxis] @ votes)[:, 0])
        if turn < 2:
            logits = logits + (votes @ capsules[:, :, np.newaxis])[:, :, 0]
    return capsules


def comirec_dr(x, w, length):
    padded, mask = _padded_behind(x, length)
    dimension = x.shape[1]
    # [T, K D, D] times the item, summed over the last axis.
    votes = (w["matrices"] * padded[:, np.newaxis]).sum(axis=2)
    votes = votes.reshape(length, -1, dimension).transpose(1, 0, 2)
    return _capsules(votes, np.zeros(votes.shape[:2]), mask)


def mind(x, w, length):
    padded, mask = _padded_behind(x, length)
    vote = padded @ w["matrix"] + w["bias"]
    votes = np.stack([vote] * len(w["start"]))
    capsules = _capsules(votes, w["start"], mask)
    return np.maximum(capsules @ w["relu"] + w["relu_bias"], 0)


def sine(x, w, length, interests):
    """One vector: sum_k e_k phi_k; ``w`` has the three attentions ``select``, ``weigh`` and ``concept``."""
    padded, mask = _padded_behind(x, length)
    keys = padded + w["positions"]
    summary = (_attention(keys, w["select"], mask) @ padded)[0]
    strengths = w["topics"] @ summary
    chosen = np.argsort(-strengths, kind="stable")[:interests]
    gated = w["topics"][chosen] / (1 + np.exp(-strengths[chosen]))[:, np.newaxis]
    cores = w["topics"][chosen] / np.linalg.norm(w["topics"][chosen], axis=1, keepdims=True)
    unit = padded / np.maximum(np.linalg.norm(padded, axis=1, keepdims=True), 1e-6)
    share = softmax(unit @ cores.T / 0.07, axis=1).T
    logits = (np.tanh(keys @ w["weigh"]["hidden"] + w["weigh"]["hidden_bias"]) @ w["weigh"]["logits"]).T
    logits = (logits + w["weigh"]["logits_bias"][:, np.newaxis]) * share
    phi = softmax(np.where(mask, logits, VERY_LOW)) @ padded
    sequence = share.T @ gated + padded
    concept = (_attention(sequence + w["positions"], w["concept"], mask) @ sequence)[0]
    query = np.concatenate([phi.mean(axis=0), concept]) @ w["query"] + w["query_bias"]
    return (softmax(phi @ query) @ phi)[np.newaxis]


def _norm(values, gain, offset):
    centred = values - values.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12) + offset


def _gelu(values):
    return values * np.vectorize(lambda value: (1 + erf(value / sqrt(2))) / 2)(values)


def miracle(x, w, length, heads):
    """Padded in front: the last item has the last position, in the Transformer and in the weights of positions."""
    n, dimension = x.shape
    padded = np.concatenate([np.zeros((length - n, dimension)), x])
    mask = np.arange(length) >= length - n
    states = _norm(padded + w["positions"], *w["norm"])
    width = dimension // heads
    for block in w["blocks"]:
        query, key, value = (states @ block[name][0] + block[name][1] for name in ("query", "key", "value"))
        seen = np.zeros_like(states)
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T / sqrt(width) + np.where(mask, 0.0, -10_000.0)
            seen[:, part] = softmax(scores) @ value[:, part]
        states = _norm(seen @ block["joined"][0] + block["joined"][1] + states, *block["attention_norm"])
        inner = _gelu(states @ block["inner"][0] + block["inner"][1])
        states = _norm(inner @ block["outer"][0] + block["outer"][1] + states, *block["output_norm"])
    gates = states @ w["base"].T
    asked = np.zeros(len(w["base"]))
    for place in np.flatnonzero(mask):
        asked[gates[place].argmax()] += 1
    hidden = (states + w["time_positions"]) @ w["time"][0] + w["time"][1]
    time = softmax(np.where(mask, (np.where(hidden > 0, hidden, 0.01 * hidden) @ w["time_reader"])[:, 0], -1e9))
    votes = _norm(np.tanh(states @ w["linear"][0] + w["linear"][1]) + states, *w["vote_norm"])
    logits = gates
    for _ in range(3):
        share = softmax(np.where(asked == 0, -1e9, logits))
        share[~mask] = 0
        capsules = _squashed((share * time[:, np.newaxis]).T @ votes)
        logits = logits + votes @ capsules.T
    return capsules[asked > 0]


def hard_loss(interests, vectors, target):
    """Cross-entropy of a target among all items, by the interest that answers best to it."""
    scores = interests[np.argmax(interests @ vectors[target])] @ vectors.T
    return np.logaddexp.reduce(scores) - scores[target]


def max_loss(interests, vectors, target):
    """Cross-entropy of a target among all items, each by its best interest (MIRACLE's fine-tuning)."""
    scores = (interests @ vectors.T).max(axis=0)
    return np.logaddexp.reduce(scores) - scores[target]
