"""The messages of the formats that are Protocol Buffers: just the fields that are read."""
