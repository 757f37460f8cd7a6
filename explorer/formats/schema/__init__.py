"""The messages of the formats that are Protocol Buffers: just the fields that are read.

Compiled by protoc 31, whose code runs with protobuf 6.31.1 and later, from the top of the checkout
with grpcio-tools 1.74 and mypy-protobuf:
``python -m grpc_tools.protoc -I. --python_out=. --mypy_out=. explorer/formats/schema/*.proto``.
"""
