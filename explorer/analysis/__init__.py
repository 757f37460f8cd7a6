"""Questions asked of any artifact, whatever its format."""
