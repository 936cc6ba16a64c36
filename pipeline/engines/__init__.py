"""Local engine for TFX pipelines, one run at a time per folder."""
