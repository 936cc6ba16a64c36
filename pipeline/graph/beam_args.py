"""Beam options for the jobs of TFX components."""

from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

_LOCAL = (None, "DirectRunner", "BundleBasedDirectRunner", "SwitchingDirectRunner")


def for_tfx(args: Sequence[str]) -> list[str]:
    """Options of a Beam job that a TFX component runs.

    Unless they say where workers get their packages from, TFX packs a copy of itself for them at every component: 49 MB
    in the temporary folder, which it leaves there, and a second or more. Workers on this machine have what this process
    has, so for them an image is named, which no local runner looks at.

    Args:
      args: as the configuration has them; those for a runner elsewhere stay as they are.
    """
    runner = PipelineOptions(list(args)).view_as(StandardOptions).runner
    return [*args, "--sdk_container_image=none"] if runner in _LOCAL else list(args)
