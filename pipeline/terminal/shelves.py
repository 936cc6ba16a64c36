"""Table of what each interest of a user finds, side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from serving.client.answers import Explanation

_BEHIND = 2
_HEAVY = 0.5


@dataclass(frozen=True)
class Shelf:
    """The own list of one interest.

    Attributes:
      interest: its number.
      category: the category that most of its items have; empty without categories.
      behind: the items of the history that weigh most in it, the heaviest first.
      items: what it finds, best first.
    """

    interest: int
    category: str
    behind: tuple[str, ...]
    items: tuple[str, ...]


def shelves(explained: Sequence[Explanation], categories: Mapping[str, Sequence[str]], length: int) -> list[Shelf]:
    """Sorts the candidates of one user by each of the interests.

    Args:
      explained: the user's candidates, with their score by each interest.
      categories: of items; an item without any counts for none.
      length: items of a shelf.

    Returns:
      One shelf for each interest that answers best to at least one candidate, the one with the best item first.
    """
    known = [reason for reason in explained if reason.known and reason.interest is not None]
    numbers = sorted({reason.interest for reason in known if reason.interest is not None})
    best = {number: sorted(known, key=lambda reason: -reason.interest_scores[number])[:length] for number in numbers}
    found = []
    for number in numbers:
        items = [reason.item_id for reason in best[number]]
        # Any item that the interest won tells what the interest is made of.
        weights = dict(next(reason for reason in known if reason.interest == number).weights)
        heaviest = sorted(weights, key=lambda item: -weights[item])
        most = max(weights.values(), default=0.0)
        behind = [item for item in heaviest if weights[item] > 0 and weights[item] >= _HEAVY * most][:_BEHIND]
        counted = Counter(category for item in items for category in categories.get(item, ()))
        category = counted.most_common(1)[0][0] if counted else ""
        found.append(Shelf(number, category, tuple(behind), tuple(items)))
    return sorted(found, key=lambda shelf: -max(r.interest_scores[shelf.interest] for r in best[shelf.interest]))


def shelves_table(found: Sequence[Shelf], titles: Mapping[str, str]) -> Table:
    """One column an interest, headed by what it stands for.

    Args:
      found: of one user.
      titles: by id; an id without one stands for itself.
    """
    every = [item for shelf in found for item in shelf.items]
    told = f"{len(set(every))} different items in {len(every)} places"
    table = Table(title="What each interest finds", title_justify="left", caption=told, caption_justify="left")
    for shelf in found:
        behind = "; ".join(titles.get(item, item) for item in shelf.behind)
        heading = Text(shelf.category or f"Interest {shelf.interest}", style="bold")
        table.add_column(heading + Text(f"\nafter {behind}" if behind else "", style="not bold dim"), ratio=1)
    for row in range(max((len(shelf.items) for shelf in found), default=0)):
        cells = [shelf.items[row] if row < len(shelf.items) else "" for shelf in found]
        table.add_row(*(Text(titles.get(item, item)) for item in cells))
    return table
