"""Training loop: steps, optimizer, schedule, validation, pre-trained bases."""
