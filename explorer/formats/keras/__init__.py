"""What Keras writes: whole models, weights and configs of Keras 1, 2 and 3."""
