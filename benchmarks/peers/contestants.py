"""Who takes part, with which settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OURS = "polyrec"
_ROWS, _WINDOWS = (256, 512, 1024), (64, 128, 256)
_RUNNERS = {OURS: "run_polyrec", "torch-rechub": "run_torch_rechub", "deepmatch": "run_deepmatch"}


@dataclass(frozen=True)
class Contestant:
    """A model of a library and the settings it is trained with.

    Attributes:
      family: models that are compared with each other.
      name: for the tables.
      peer: whose environment, or OURS.
      model: the runner's name of the model.
      training: options of a runner for the recall after equal CPU time. Those of the peers were chosen by recall on
        Amazon Beauty's validation users among a few (docs/results/peers.md), ours are the preset's.
    """

    family: str
    name: str
    peer: str
    model: str
    training: Mapping[str, float] = field(default_factory=lambda: {"batch-size": 64, "learning-rate": 2e-3})

    @property
    def runner(self) -> str:
        """Module of this package."""
        return _RUNNERS[self.peer]

    @property
    def unit(self) -> str:
        """What a batch is counted in."""
        return "windows" if self.peer == OURS else "rows"

    @property
    def speed_batches(self) -> tuple[int, ...]:
        """Batch sizes at which speed is measured; the best counts."""
        return _WINDOWS if self.peer == OURS else _ROWS


CONTESTANTS = (
    Contestant("ComiRec-SA", "torch-rechub ComirecSA", "torch-rechub", "comirec_sa",
               {"batch-size": 256, "learning-rate": 5e-3, "temperature": 0.1, "initial-stddev": 0.1}),
    Contestant("ComiRec-SA", "deepmatch ComiRec (sa)", "deepmatch", "comirec_sa",
               {"batch-size": 512, "learning-rate": 3e-3, "initial-stddev": 0.1}),
    Contestant("ComiRec-SA", "polyrec comirec_sa, as published", OURS, "comirec_sa:published"),
    Contestant("ComiRec-SA", "polyrec comirec_sa, hard", OURS, "comirec_sa:hard"),
    Contestant("ComiRec-SA", "polyrec comirec_sa, max", OURS, "comirec_sa:max"),
    Contestant("ComiRec-SA", "polyrec comirec_sa, preset", OURS, "comirec_sa:preset"),
    Contestant("MIND", "torch-rechub MIND", "torch-rechub", "mind",
               {"batch-size": 256, "learning-rate": 3e-3, "temperature": 0.1}),
    Contestant("MIND", "deepmatch MIND", "deepmatch", "mind", {"batch-size": 512, "learning-rate": 3e-3}),
    Contestant("MIND", "polyrec mind, as published", OURS, "mind:published"),
    Contestant("MIND", "polyrec mind, hard", OURS, "mind:hard"),
    Contestant("MIND", "polyrec mind, max", OURS, "mind:max"),
    Contestant("MIND", "polyrec mind, preset", OURS, "mind:preset"),
    Contestant("SINE", "torch-rechub SINE", "torch-rechub", "sine",
               {"batch-size": 256, "learning-rate": 5e-3, "initial-stddev": 0.1}),
    Contestant("SINE", "polyrec sine", OURS, "sine"),
    Contestant("SINE", "polyrec sine, preset", OURS, "sine:preset"),
)  # fmt: skip
