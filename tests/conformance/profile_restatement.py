"""The profile models once more, for one user, item and tag at a time, in NumPy and loops; nothing of ours is imported.

``fields`` are the values a user has of each field, float [n, E] with one row for each time the user has it, n = 0 for a
field without any; ``w`` the weights by name. Each function returns ``score(task, tag)``, the log-odds without the bias,
computed the way the papers have it: gates and towers for each tag.
"""

import numpy as np

from tests.conformance.restatement import layer_norm, softmax


def fields(user, tables, item_tags):
    """The values of each field, in the order of the fields' names.

    ``user`` holds ``history`` (item numbers from 1 on), ``user_job`` (numbers from 1 on) and ``user_age``.
    """
    tags = [tag for item in user["history"] for tag in item_tags[item - 1] if tag > 0]
    width = tables["user_job"].shape[1]
    found = {
        "user_age": [user["user_age"] * tables["user_age"][0]] if user["user_age"] else [],
        "user_job": [tables["user_job"][job] for job in user["user_job"]],
    }
    if "history_items" in tables:
        found["history_items"] = [tables["history_items"][item] for item in user["history"]]
    if "history_tags" in tables:
        found["history_tags"] = [tables["history_tags"][tag] for tag in tags]
    return {name: np.array(found[name]).reshape(-1, width) for name in sorted(found)}


def means(values):
    return np.array([rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1]) for rows in values.values()])


def mlp(x, kernels, biases, copy, last_activation=False):
    """The ``copy``-th of networks side by side."""
    for place, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = x @ kernel[copy] + bias[copy]
        if last_activation or place < len(kernels) - 1:
            x = np.maximum(x, 0)
    return x


def tag_vector(w, task, tag):
    return mlp(w["tag_embeddings"][tag], *w["tags"], task)


def shared_bottom(values, w):
    bottom = mlp(means(values).ravel(), *w["bottom"], 0, last_activation=True)
    return lambda task, tag: mlp(bottom, *w["towers"], task) @ tag_vector(w, task, tag)


def mmoe(values, w):
    x = means(values).ravel()
    experts = [mlp(x, *w["experts"], e, last_activation=True) for e in range(len(w["experts"][0][0]))]

    def score(task, tag):
        count = len(experts)
        gate = softmax(x @ w["gates"][:, task * count : (task + 1) * count])
        mixed = sum(share * expert for share, expert in zip(gate, experts, strict=True))
        return mlp(mixed, *w["towers"], task) @ tag_vector(w, task, tag)

    return score


def utpm(values, w):
    present = {name: rows for name, rows in values.items() if len(rows)}
    width = next(iter(values.values())).shape[1]
    if "queries" in w:
        heads = []
        for query in w["queries"].T:
            merged = []
            for name, rows in present.items():
                # A number is one value: there is nothing to choose.
                inside = w["inside"].get(name)
                alpha = softmax(np.maximum(rows @ inside[0] + inside[1], 0) @ query) if inside else np.ones(1)
                merged.append(alpha @ rows)
            merged = np.array(merged).reshape(-1, width)
            kernel, bias = w["across"]
            beta = softmax(np.maximum(merged @ kernel + bias, 0) @ query) if len(merged) else np.zeros(0)
            heads.append(beta @ merged)
        x = np.concatenate(heads)
    else:
        x = np.mean([rows.mean(axis=0) for rows in present.values()], axis=0) if present else np.zeros(width)
    if "factors" in w:
        v = w["factors"]
        pairs = [x[i] * x[j] * (v[i] @ v[j]) for i in range(len(x)) for j in range(i + 1, len(x))]
        x = np.concatenate([x, pairs])
    return lambda task, tag: mlp(x, *w["layers"], task) @ w["tag_embeddings"][tag]


def mvke(values, w):
    tokens, present = means(values), np.array([len(rows) > 0 for rows in values.values()])
    sigma = (lambda x: 1 / (1 + np.exp(-x))) if w["sigma"] else (lambda x: x)
    keys, value = sigma(tokens @ w["key"][0] + w["key"][1]), sigma(tokens @ w["value"][0] + w["value"][1])
    experts = []
    for number, kernel in enumerate(w["kernels"]):
        query = sigma(kernel @ w["query"][0] + w["query"][1])
        weights = np.zeros(len(tokens))
        if present.any():
            weights[present] = softmax(keys[present] @ query / np.sqrt(len(query)))
        if w["pool"]:
            seen = weights @ value
        else:
            seen = layer_norm(weights[:, np.newaxis] * value + tokens, *w["norm"]) * present[:, np.newaxis]
            pairs = sum((seen[i] * seen[j] for i in range(len(seen)) for j in range(i)), np.zeros(seen.shape[1]))
            seen = np.concatenate([seen.ravel(), pairs]) if w["fm"] else seen.ravel()
        experts.append(mlp(seen, *w["experts"], number))

    def score(task, tag):
        vector, own = tag_vector(w, task, tag), w["task_kernels"][task]
        scale = np.sqrt(len(vector)) if w["scaled"] else 1
        gates = softmax(np.array([vector @ w["kernels"][k] / scale for k in own]))
        return sum(gate * experts[k] for gate, k in zip(gates, own, strict=True)) @ vector

    return score
