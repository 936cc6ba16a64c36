"""The TFX components."""
