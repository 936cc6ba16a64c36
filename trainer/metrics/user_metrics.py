"""Per-user metrics in the graph, for a model's lists and the popularity ranking."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.metrics import table
from trainer.metrics.interest_health import OWN_LENGTH
from trainer.metrics.novelty import self_information
from trainer.metrics.ranking import places_of
from trainer.metrics.shelf import MOST_PLACES
from trainer.metrics.user_lists import Items, UserLists, in_the_tail
from trainer.ranking.fair_ranking import Ranking, computed, fair_ranking
from trainer.ranking.top_k import TopK


class Users(NamedTuple):
    """A batch of users with what they came to take.

    Attributes:
      interests: float32 [B, K, D].
      active: bool [B, K].
      history: int [B, T], 1 + index of each item the model looked at, 0 behind the last; all 0: not a known one.
      targets: int [B, M] as in trainer/metrics/ranking.py.
      constants: how many components at the end of an interest belong to a constant of the items, such as a prior: they
        add to the scores and are no direction.
      ranking_temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
    """

    interests: tf.Tensor
    active: tf.Tensor
    history: tf.Tensor
    targets: tf.Tensor
    constants: int = 0
    ranking_temperature: float | None = None

    @property
    def directions(self) -> tf.Tensor:
        """float32 [B, K, D - constants]."""
        return self.interests[..., : self.interests.shape[-1] - self.constants] if self.constants else self.interests


class Catalogue(NamedTuple):
    """The items.

    Attributes:
      vectors: float32 [N, D].
      counts: int [N], interactions in the training split.
      category: int32 [N], finest category, -1 for none.
    """

    vectors: tf.Tensor
    counts: tf.Tensor
    category: tf.Tensor


def user_metrics(
    users: Users,
    catalogue: Catalogue,
    restrictions: Mapping[str, Mapping[str, Any]],
    page_rows: tf.Tensor | int,
    popularity: bool = False,
) -> dict[str, tf.Tensor]:
    """All metrics of trainer/metrics/table.py.

    A user without a known history is given the popular items, as in serving, and has no interests to measure.

    Args:
      users: K and N known before the graph runs.
      catalogue: the items.
      restrictions: suffix of the metrics -> options of :func:`trainer.ranking.fair_ranking.fair_ranking`; "" for none.
      page_rows: see :class:`trainer.metrics.user_lists.UserLists`.
      popularity: whether to compute those of the popularity ranking as well.

    Returns:
      full name -> float32 [B], NaN for what a user has no value of; in place of those of all users together
      ``shown_at_<N>`` and ``catalogue_size``.
    """
    unknown = tf.reduce_all(users.history == 0, axis=1)
    items = Items(
        catalogue.category, in_the_tail(catalogue.counts), self_information(catalogue.counts), catalogue.vectors
    )
    page_rows = tf.convert_to_tensor(page_rows, tf.int32)
    size = int(catalogue.vectors.shape[0])
    outputs: dict[str, tf.Tensor] = {table.CATALOGUE_SIZE: tf.fill(tf.shape(unknown), size)}
    for suffix, options in restrictions.items():
        popular = _by_count(users.targets, catalogue.counts, options)
        merged, own = _ranked(users, catalogue, options)
        if suffix == "":
            of_model = _lists(users, merged, own, users.directions, users.active, page_rows, items)
            of_interests = table.compute(of_model, ["interests"])
            outputs |= {name: tf.where(unknown, float("nan"), values) for name, values in of_interests.items()}
            outputs |= table.compute(of_model, ["history"])
        of_popular = _of_one_vector(users, popular, page_rows, items)
        told = _told(unknown, popular, merged, own)
        first = tf.one_hot(tf.zeros_like(unknown, tf.int32), tf.shape(users.active)[1], True, False, dtype=tf.bool)
        active = tf.where(unknown[:, tf.newaxis], first, users.active)
        lists = _lists(users, *told, users.directions, active, page_rows, items)
        outputs |= {name + suffix: values for name, values in table.compute(lists, ["list"]).items()}
        if popularity:
            found = table.compute(of_popular, ["list"])
            outputs |= {table.POPULARITY + name + suffix: values for name, values in found.items()}
    return outputs


def own_lists(
    interests: tf.Tensor,
    active: tf.Tensor,
    targets: tf.Tensor,
    num_items: int,
    columns: Any,
    length: int,
    **options: Any,
) -> Ranking:
    """The list that each interest gives alone.

    Args:
      interests: float32 [B, K, D].
      active: bool [B, K].
      targets: int [B, M].
      num_items: N.
      columns: the items, of :func:`trainer.ranking.fair_ranking.computed` or ``of_kept``.
      length: L.
      options: ``excluded`` and ``keep`` of :func:`trainer.ranking.fair_ranking.fair_ranking`.

    Returns:
      ``top`` [B, K, L], ``better`` and ``tied`` [B, K, M].
    """
    batch, wide = tf.shape(interests)[0], interests.shape[1] or tf.shape(interests)[1]
    flat = tf.reshape(interests, [batch * wide, 1, tf.shape(interests)[2]])
    if options.get("excluded") is not None:
        options["excluded"] = tf.repeat(options["excluded"], wide, axis=0)
    found = fair_ranking(
        *(flat, tf.reshape(active, [-1, 1]), num_items, columns, tf.repeat(targets, wide, axis=0), length),
        winners=False,
        **options,
    )
    by_interest: Ranking = tf.nest.map_structure(
        lambda values: tf.reshape(values, [batch, wide, tf.shape(values)[1]]), found
    )
    return by_interest


def _ranked(users: Users, catalogue: Catalogue, options: Mapping[str, Any]) -> tuple[Ranking, Ranking]:
    """The list of all interests together, and that of each alone with the same places of targets [B, K, M]."""
    size, columns = int(catalogue.vectors.shape[0]), computed(int(catalogue.vectors.shape[0]), _rows(catalogue.vectors))
    k = table.longest_list()
    merged = fair_ranking(
        users.interests,
        users.active,
        size,
        columns,
        users.targets,
        k,
        winners=False,
        temperature=users.ranking_temperature,
        **options,
    )
    interests = int(users.interests.shape[1])
    if interests == 1:
        return merged, tf.nest.map_structure(lambda values: values[:, tf.newaxis], merged)
    length = max(OWN_LENGTH, min(table.longest_row() * interests, MOST_PLACES))
    return merged, own_lists(users.interests, users.active, users.targets, size, columns, length, **options)


def _rows(vectors: tf.Tensor) -> Any:
    return partial(tf.gather, vectors)


def _by_count(targets: tf.Tensor, counts: tf.Tensor, options: Mapping[str, Any]) -> Ranking:
    """The popularity ranking for each user."""
    size, vectors = int(counts.shape[0]), tf.cast(counts, tf.float32)[:, tf.newaxis]
    columns, k = computed(size, _rows(vectors)), table.longest_list()
    batch, number = tf.unstack(tf.shape(targets))
    if options:
        one = tf.ones([batch, 1, 1])
        return fair_ranking(
            one, tf.ones_like(one[:, :, 0], tf.bool), size, columns, targets, k, winners=False, **options
        )
    # The same list for everybody: made once.
    one = tf.ones([1, 1, 1])
    found = fair_ranking(
        one,
        tf.ones_like(one[:, :, 0], tf.bool),
        size,
        columns,
        tf.reshape(targets, [1, batch * number]),
        k,
        winners=False,
    )
    top = TopK(*(tf.repeat(values, batch, axis=0) for values in found.top))
    return Ranking(top, *(tf.reshape(values, [batch, number]) for values in (found.better, found.tied)))


def _told(unknown: tf.Tensor, popular: Ranking, merged: Ranking, own: Ranking) -> tuple[Ranking, Ranking]:
    """What users are given: those without a known history the popular items, as the list of each interest too."""
    together = tf.nest.map_structure(partial(tf.where, unknown[:, tf.newaxis]), popular, merged)
    places = (
        tf.where(unknown[:, tf.newaxis, tf.newaxis], of_popular[:, tf.newaxis], of_own)
        for of_popular, of_own in ((popular.better, own.better), (popular.tied, own.tied))
    )
    return together, Ranking(own.top, *places)


def _of_one_vector(users: Users, ranking: Ranking, page_rows: tf.Tensor, items: Items) -> UserLists:
    own = tf.nest.map_structure(lambda values: values[:, tf.newaxis], ranking)
    one = tf.ones([tf.shape(users.targets)[0], 1, 1])
    return _lists(users, ranking, own, one, tf.ones_like(one[:, :, 0], tf.bool), page_rows, items)


def _lists(
    users: Users,
    ranking: Ranking,
    own: Ranking,
    interests: tf.Tensor,
    active: tf.Tensor,
    page_rows: tf.Tensor,
    items: Items,
) -> UserLists:
    return UserLists(
        places=places_of(ranking.better, ranking.tied, users.targets),
        listed=ranking.top.indices,
        own=own.top.indices,
        own_places=(own.better, own.tied),
        interests=interests,
        active=active,
        page_rows=page_rows,
        history=users.history,
        items=items,
    )
