"""The worker process that owns TensorFlow, and the client that talks to it."""
