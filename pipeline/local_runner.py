"""Entry point for TFX's own command line on this machine.

    tfx pipeline create --engine=local --pipeline_path=pipeline/local_runner.py
    tfx run create --engine=local --pipeline_name=NAME

The environment variable POLYREC_CONFIG names the configuration (a YAML file or a preset; comirec_sa by default).
Relative folders in it start at the checkout, because TFX's command line runs this file from elsewhere. It does not
read the gates' verdicts: `polyrec run` does, and ends with exit code 4 where nothing was pushed.
"""

import os
import sys
from pathlib import Path

from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from pipeline.config.run import load, with_absolute_paths
from pipeline.engines.run_lock import run_lock
from pipeline.graph.build import create_pipeline
from trainer.errors import InputError

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Runs the pipeline; TFX's command line also calls it to learn the pipeline's name.

    Raises:
      InputError: see :func:`pipeline.config.run.load`.
    """
    config = with_absolute_paths(load(os.environ.get("POLYREC_CONFIG", "comirec_sa")), CHECKOUT)
    with run_lock(Path(config.pipeline.root) / config.pipeline.name):
        LocalDagRunner().run(create_pipeline(config))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"Error: {error}")
