"""The served graph: raw ids in, raw ids out."""
