"""The Lab page: train a demo model, save it by every method."""
