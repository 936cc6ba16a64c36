"""Bundles on disk: manifest, version folders, signature names. No TensorFlow."""
