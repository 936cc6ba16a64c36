"""From the items' texts to vectors."""
