"""Ask a server what to recommend, why, and what it answers when nothing is known of a user.

    .venv/bin/polyrec serve served                                           (in another terminal)
    .venv/bin/python examples/ask_a_server.py [HOST:PORT] [MODEL] [ITEM ...]

The items are the user's history, oldest first. The client needs neither TensorFlow nor the model.
"""

import sys

from serving.client import Client
from serving.client.answers import ClientError


def main(target: str = "127.0.0.1:8500", model: str = "example", *history: str) -> None:
    """Asks for one user with a history, and for one without.

    Raises:
      ClientError: the server does not answer, or does not serve the model.
    """
    known = [*history] or ["i0", "i5", "i1", "i6"]
    with Client(target, model) as client:
        for_known, for_new = client.recommend([known, []], k=5, exclude_history=True)
        print(f"After {', '.join(known)}:")
        for item in for_known.items:
            print(f"  {item.item_id:<10} score {item.score:+.3f}, interest {item.interest}, because of {item.because}")
        print(
            f"A new user gets {', '.join(item.item_id for item in for_new.items)} (popular items: {for_new.fallback})"
        )

        best = for_known.items[0].item_id
        ((reason,),) = client.explain([known], [[best]])
        weights = ", ".join(f"{item} {weight:.2f}" for item, weight in reason.weights)
        print(f"{best} was found by interest {reason.interest}, which is made of {weights}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ClientError as error:
        sys.exit(f"Error: {error.text}")
