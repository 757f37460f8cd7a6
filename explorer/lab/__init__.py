"""Make demo models and save them by every method."""
