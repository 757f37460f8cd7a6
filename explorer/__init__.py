"""Model Format Explorer: open, explain, check and run saved TensorFlow and Keras models."""

__version__ = "0.1.0"
