"""Layers of tag-profile models: user fields, tag towers, experts and gates."""
