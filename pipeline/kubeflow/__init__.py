"""Kubeflow Pipelines: what a compiled pipeline asks of the cluster, and runs on it."""
