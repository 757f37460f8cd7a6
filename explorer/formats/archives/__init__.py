"""Zip and tar archives: their members read in place, and what lies in them opened."""
