"""SavedModel folders of TensorFlow 1 and 2."""
