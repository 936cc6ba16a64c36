"""Restrict what is recommended, and trade scores for variety, in the request itself.

    .venv/bin/polyrec serve served                                           (in another terminal)
    .venv/bin/python examples/filters_and_diversity.py [HOST:PORT] [MODEL] [CATEGORY] [ITEM ...]

The model has to know the items' categories (data.item_columns.category); further columns become filters by
data.item_columns.attributes.
"""

import sys
from typing import Any

from serving.client import Client
from serving.client.answers import ClientError


def main(
    target: str = "127.0.0.1:8500", model: str = "example", category: str = "interest1", *history: str
) -> dict[str, list[str]]:
    """Asks for the same user with and without filters and diversity.

    Returns:
      what was asked, in words -> item ids, best first.

    Raises:
      ClientError: the server does not answer, does not serve the model, or knows no categories.
    """
    known = [*history] or ["i0", "i5", "i1", "i6"]
    wanted = f"category={category}"
    found: dict[str, list[str]] = {}
    with Client(target, model) as client:

        def ask(words: str, **options: Any) -> None:
            (answer,) = client.recommend([known], k=5, exclude_history=True, **options)
            found[words] = [item.item_id for item in answer.items]
            print(f"{words + ':':<26}{', '.join(found[words]) or 'nothing'}")
            for value in answer.unmatched_filters:
                print(f"  no item has {value}")

        ask("best scores")
        ask("without the best item", exclude=found["best scores"][:1])
        ask(f"only {wanted}", allow=[wanted])
        ask(f"no {wanted}", deny=[wanted])
        ask("as varied as possible", diversity=10.0)
    return found


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ClientError as error:
        sys.exit(f"Error: {error.text}")
