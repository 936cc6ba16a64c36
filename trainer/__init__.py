"""Models, layers, losses, metrics and the training loop: TensorFlow and Keras only."""
