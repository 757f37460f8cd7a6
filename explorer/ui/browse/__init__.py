"""The Browse page: an artifact's tree, its tensors and its signatures."""
