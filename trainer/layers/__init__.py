"""Keras layers, one public class a file, in folders by what they make."""
