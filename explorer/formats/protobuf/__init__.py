"""Protocol Buffers read by range, in binary and as text; `schema` has the messages themselves."""
