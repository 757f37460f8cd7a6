"""Read any artifact: one module per format, with neither Qt nor TensorFlow."""
