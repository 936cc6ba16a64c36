# The day as of which packages are resolved and built: without one, Beam and setuptools come in versions
# that TFX 1.16 does not import with. tensorflow-recommenders 0.7.7 is younger than the rest.
LOCK_DATES="--exclude-newer 2025-01-10 --exclude-newer-package tensorflow-recommenders=2026-10-01"
