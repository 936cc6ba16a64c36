"""What is asked of a bundle before it is pushed."""
