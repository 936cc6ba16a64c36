"""Layers of tag-profile models: fields of a user, tag towers, experts and gates."""
