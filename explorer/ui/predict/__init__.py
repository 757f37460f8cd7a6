"""The Predict page: load an artifact, run it, compare with the model in memory."""
