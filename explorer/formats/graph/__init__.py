"""TensorFlow graphs: alone, in a meta graph or in a SavedModel, with their constants."""
