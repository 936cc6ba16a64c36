"""Users with liked tags and items with tags: the random world behind synthetic_profiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

GROUPS = 8
MOST_TAGS = 4

_OF_THE_GROUP = 0.7
_OF_CLICKING = 0.5
_SLOPE = 2.0
_CLICKED, _CONVERTED = 0.1, 0.125
_CALIBRATION_PAIRS = 200_000

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass
class World:
    """What users like, and what items are.

    Attributes:
      group: [U].
      clicking: a [U, T].
      converting: v [U, T].
      tags: [I, 4], the tags of each item, of which the first ``tag_count`` count.
      tag_count: [I], 2 to 4.
      shown: [I], probability up to and with each item.
      click_offset: c.
      conversion_offset: d.
    """

    group: Ints
    clicking: Floats
    converting: Floats
    tags: Ints
    tag_count: Ints
    shown: npt.NDArray[np.float64]
    click_offset: float = 0.0
    conversion_offset: float = 0.0

    def scores(self, likes: Floats, user: Ints, item: Ints) -> npt.NDArray[np.floating[Any]]:
        """The scores [n] of users [n] and items [n], by ``clicking`` or ``converting``."""
        held = np.arange(MOST_TAGS) < self.tag_count[item][:, None]
        of_tags = likes[user[:, None], self.tags[item]]
        return np.asarray(np.sum(of_tags * held, axis=1) / np.sqrt(self.tag_count[item]))

    def probabilities(self, user: Ints, item: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Of a click, and of a conversion after a click, [n] each, for users [n] and items [n]."""
        click = _sigmoid(_SLOPE * self.scores(self.clicking, user, item) + self.click_offset)
        return click, _sigmoid(_SLOPE * self.scores(self.converting, user, item) + self.conversion_offset)


def make_world(random: np.random.Generator, users: int, items: int, tags: int) -> World:
    """Draws users and items as the text of synthetic_profiles says."""
    group = random.integers(0, GROUPS, users)
    clicking, other = (
        _mix(_OF_THE_GROUP, random.standard_normal((GROUPS, tags), np.float32)[group], random) for _ in range(2)
    )
    converting = _OF_CLICKING * clicking + np.float32(np.sqrt(1 - _OF_CLICKING**2)) * other
    # Distinct by construction: steps round a ring that differ by at least one.
    steps = np.sort(random.integers(1, tags - MOST_TAGS + 2, (items, MOST_TAGS - 1)), axis=1)
    steps += np.arange(MOST_TAGS - 1)
    # In mixed order, so that an item with fewer than 4 tags does not keep the nearest ones.
    steps = random.permuted(steps, axis=1)
    first = np.arange(items)[:, None]
    popularity = 1.0 / np.sqrt(1.0 + np.arange(items))
    world = World(
        group=group,
        clicking=clicking,
        converting=converting,
        tags=np.concatenate([first, first + steps], axis=1) % tags,
        tag_count=random.integers(2, MOST_TAGS + 1, items),
        shown=np.cumsum(popularity / popularity.sum()),
    )
    user = random.integers(0, users, _CALIBRATION_PAIRS)
    item = draw_items(random, world, _CALIBRATION_PAIRS)
    click, conversion = (_SLOPE * world.scores(likes, user, item) for likes in (clicking, converting))
    world.click_offset = _offset_for(_CLICKED, click, np.ones(len(user)))
    world.conversion_offset = _offset_for(_CONVERTED, conversion, _sigmoid(click + world.click_offset))
    return world


def _mix(part: float, common: Floats, random: np.random.Generator) -> Floats:
    own = random.standard_normal(common.shape, np.float32)
    mixed: Floats = np.float32(part) * common + np.float32(np.sqrt(1 - part**2)) * own
    return mixed


def _sigmoid(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-values.astype(np.float64))))


def _offset_for(mean: float, scores: npt.NDArray[np.floating[Any]], weights: npt.NDArray[np.floating[Any]]) -> float:
    """What to add to ``scores`` so that the weighted mean of their sigmoid is ``mean``, by halving an interval."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.average(_sigmoid(scores + middle), weights=weights) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def draw_items(random: np.random.Generator, world: World, count: int) -> Ints:
    """The items [count] of as many impressions."""
    drawn = np.searchsorted(world.shown, random.random(count) * world.shown[-1], side="right")
    items: Ints = np.minimum(drawn, len(world.shown) - 1)
    return items
