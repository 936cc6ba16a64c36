"""What TFX hands an executor."""

from tfx.types import Artifact

Artifacts = dict[str, list[Artifact]]
"""Input or output -> its artifacts."""

CODE_FINGERPRINT = "code_fingerprint"
"""Parameter of every component that runs our code: it changes when the code does, so that TFX's cache, which looks at
parameters alone, takes no old result for a current one."""

REASON = "reason"
"""Custom property of a blessing: why the model is not blessed, in words."""
