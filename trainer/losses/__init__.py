"""Losses, negative samplers, read-outs and regularisers."""
