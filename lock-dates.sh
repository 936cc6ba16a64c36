# The days as of which packages are resolved and built. Two are younger than the rest of the older stack, for which later
# days have Beams and setuptools that TFX 1.16 does not import with: TFRS, and ruff, which is the same on both stacks.
LOCK_DATES="--exclude-newer 2026-11-29"
OLDER_LOCK_DATES="--exclude-newer 2025-01-10 --exclude-newer-package tensorflow-recommenders=2026-10-01 --exclude-newer-package ruff=2026-11-29"
