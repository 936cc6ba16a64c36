"""torch-rechub's MIND, ComiRec-SA and SINE, in its own environment.

The towers are the library's. Its own trainer gathers every row's negatives apart, [B, 1 + S, D], which with 1,280 of
them is most of a step. So the loss here is ours, on the library's user and item towers: the interest closest to the
target, scored against one set of negatives for the batch, drawn log-uniformly and corrected for the drawing;
accidental hits are left out. One prefix a row: the models know no other way.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import RandomNormal
from torch_rechub.models.matching import MIND, SINE, ComirecSA

from benchmarks.peers.budget import arguments, main
from benchmarks.peers.data import Data, row_batches

Batch = tuple[torch.Tensor, torch.Tensor]


class TorchRechub:
    """A model of the library, its optimizer and the loss."""

    def __init__(self, options: argparse.Namespace, data: Data) -> None:
        torch.manual_seed(options.seed)
        self._data, self._options = data, options
        build = {"mind": self._mind, "comirec_sa": self._comirec_sa, "sine": self._sine}
        self._model = build[options.model]()
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=options.learning_rate, fused=True)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """History [B, T] and target [B]."""
        for history, _, target in row_batches(self._data, batch_size, self._options.seed):
            yield torch.from_numpy(history).long(), torch.from_numpy(target).long()

    def step(self, batch: Batch) -> int:
        """See the protocol."""
        history, target = batch
        loss = self._loss(history, target)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        loss.item()
        return len(target)

    @torch.no_grad()
    def interests(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the protocol."""
        users = self._users(torch.from_numpy(history).long()).numpy()
        return users, np.ones(users.shape[:2], bool)

    @torch.no_grad()
    def item_vectors(self) -> np.ndarray:
        """See the protocol."""
        return self._items(torch.arange(1, self._data.num_items + 1)).numpy()

    def _loss(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        count, wanted = self._data.num_items, self._options.negatives
        negatives = (torch.rand(wanted) * math.log(count + 1)).exp().long().clamp(1, count)
        users, items = self._users(history), self._items(torch.cat([target, negatives]))
        positive, negative = items[: len(target)], items[len(target) :]
        best = torch.matmul(users.detach(), positive.detach().unsqueeze(2)).squeeze(2).argmax(dim=1)
        user = users[torch.arange(len(target)), best]
        temperature = self._options.temperature
        own = (user * positive).sum(dim=1) / temperature - self._log_expected(target)
        others = torch.matmul(user, negative.T) / temperature - self._log_expected(negatives)
        others = others.masked_fill(target.unsqueeze(1) == negatives, float("-inf"))
        return (torch.logsumexp(torch.cat([own.unsqueeze(1), others], dim=1), dim=1) - own).mean()

    def _log_expected(self, items: torch.Tensor) -> torch.Tensor:
        probability = torch.log1p(1.0 / items.float()) / math.log(self._data.num_items + 1)
        return torch.log(self._options.negatives * probability)

    def _users(self, history: torch.Tensor) -> torch.Tensor:
        self._model.mode = "user"
        users = self._model.user_tower({"history": history, "nothing": torch.zeros(len(history))})
        return users if users.dim() == 3 else users.unsqueeze(1)

    def _items(self, items: torch.Tensor) -> torch.Tensor:
        self._model.mode = "item"
        return self._model.item_tower({"item": items})

    def _features(self) -> tuple[list, list, list, list]:
        """Both models ask for a feature of the user: a constant that says nothing."""
        size, width = self._data.num_items + 1, self._options.dimension
        initializer = RandomNormal(0, self._options.initial_stddev)
        item = SparseFeature("item", size, width, padding_idx=0, initializer=initializer)
        history = SequenceFeature("history", size, width, pooling="concat", shared_with="item", padding_idx=0)
        return [DenseFeature("nothing")], [history], [item], []

    def _mind(self) -> torch.nn.Module:
        length = self._data.history.shape[1]
        return MIND(*self._features(), max_length=length, interest_num=self._options.interests)

    def _comirec_sa(self) -> torch.nn.Module:
        return ComirecSA(*self._features(), interest_num=self._options.interests)

    def _sine(self) -> torch.nn.Module:
        """With the sizes of our default: 50 concepts, K of them active, hidden layers of 4 D."""
        width = self._options.dimension
        model = SINE(
            ["history"], ["item"], [], self._data.num_items + 1, width, 4 * width, 50, self._options.interests,
            self._data.history.shape[1],
        )  # fmt: skip
        torch.nn.init.normal_(model.item_embedding.weight, 0, self._options.initial_stddev)
        return model


if __name__ == "__main__":
    _options = arguments()
    torch.set_num_threads(_options.threads)
    main(TorchRechub, _options)
