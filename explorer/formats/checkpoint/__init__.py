"""TensorFlow checkpoints of both formats; their tensors are the variables of a SavedModel too."""
