"""Builds and pushes bundles: warm-up requests, index sizes, item changes, version folders."""
