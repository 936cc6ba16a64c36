"""Roll out a version: label what is served as stable, try another as canary, promote it, go back.

    .venv/bin/polyrec serve served                                           (in another terminal)
    .venv/bin/python examples/roll_out.py [HOST:PORT] [MODEL] [SERVING_DIR]

Two versions are needed: examples/train_on_csv.py and examples/add_a_model.py push one each. `polyrec rollout` does the
same from the command line.
"""

import sys
from pathlib import Path

from pipeline.operations.following_server import FollowingServer
from pipeline.operations.rollout import RollOut
from serving.client import Client
from serving.client.answers import ClientError
from trainer.errors import InputError

USER = ["i0", "i5", "i1", "i6"]


def main(target: str = "127.0.0.1:8500", model: str = "example", directory: str = "served") -> None:
    """Goes through a roll-out and back; at the end the older version is stable, as at the beginning.

    Raises:
      InputError: there is only one version, or the server does not follow.
      ClientError: the server does not answer.
    """
    versions = sorted(int(path.name) for path in (Path(directory) / model).glob("[0-9]*"))
    if len(versions) < 2:
        raise InputError(f"{directory}/{model} needs two versions and has {len(versions)}: push one (polyrec run).")
    older, newer = versions[-2:]
    with FollowingServer(target, model, Path(directory), print) as server:

        def roll_out() -> RollOut:
            return RollOut(Path(directory), model, server)

        print(roll_out().promote(older))
        print(roll_out().canary(newer))
        shared = _answers(target, model, "stable") & _answers(target, model, "canary")
        print(f"Stable and canary agree on {len(shared)} of 10 items for a user.")
        print(roll_out().promote())
        print(roll_out().rollback())


def _answers(target: str, model: str, label: str) -> set[str]:
    """The items that the version with a label recommends."""
    with Client(target, model, label=label) as client:
        (answer,) = client.recommend([USER], k=10)
    return {item.item_id for item in answer.items}


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (InputError, ClientError) as error:
        sys.exit(f"Error: {error}")
