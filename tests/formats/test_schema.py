"""The messages of our own schema are TensorFlow's, as far as they go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor

from explorer.formats.graph.tf_types import dtype_name
from explorer.formats.schema import (
    checkpoint_pb2,
    keras_metadata_pb2,
    saved_model_pb2,
    tensor_pb2,
)
from tests.formats.originals import Originals

_FILES = [
    pytest.param(module.DESCRIPTOR, id=module.DESCRIPTOR.name.rpartition("/")[2])
    for module in (tensor_pb2, checkpoint_pb2, saved_model_pb2, keras_metadata_pb2)
]
_KERAS = ".protobuf"


class Messages:
    """Messages and enums by name, from files of one origin."""

    def __init__(self, files: list[descriptor_pb2.FileDescriptorProto]) -> None:
        self.messages: dict[str, descriptor_pb2.DescriptorProto] = {}
        self.enums: dict[str, dict[str, int]] = {}
        for file in files:
            self._add("", file.message_type, file.enum_type)

    def _add(self, above: str, messages: object, enums: object) -> None:
        for enum in enums:  # type: ignore[attr-defined]
            self.enums[above + enum.name] = {value.name: value.number for value in enum.value}
        for message in messages:  # type: ignore[attr-defined]
            name = above + message.name
            self.messages[name] = message
            self._add(f"{name}.", message.nested_type, message.enum_type)


def described(file: FileDescriptor) -> Messages:
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    return Messages([proto])


def theirs_for(file: FileDescriptor, originals: Originals) -> Messages:
    """Keras has a ``SavedObject`` of its own, so its file is looked up alone."""
    of_keras = file is keras_metadata_pb2.DESCRIPTOR
    files = [f for f in originals.descriptors.file if f.package.endswith(_KERAS) is of_keras]
    return Messages(files)


def fields(message: descriptor_pb2.DescriptorProto) -> Iterator[tuple[object, ...]]:
    """What decides how a field is written, and in which oneof it stands."""
    for field in message.field:
        oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        yield field.name, field.number, field.type, field.label, _last(field.type_name), oneof


def _last(type_name: str) -> str:
    """A type's name without package, which begins in lower case."""
    return ".".join(part for part in type_name.split(".") if part[:1].isupper())


@pytest.mark.parametrize("file", _FILES)
def test_every_field_is_tensorflows(file: FileDescriptor, originals: Originals) -> None:
    theirs = theirs_for(file, originals)
    ours = described(file)
    assert ours.messages
    for name, message in ours.messages.items():
        assert set(fields(message)) <= set(fields(theirs.messages[name])), name
        assert message.options.map_entry == theirs.messages[name].options.map_entry, name


@pytest.mark.parametrize("file", _FILES)
def test_every_enum_is_tensorflows(file: FileDescriptor, originals: Originals) -> None:
    theirs = theirs_for(file, originals)
    for name, values in described(file).enums.items():
        plain = {key: n for key, n in theirs.enums[name].items() if not key.endswith("_REF")}
        assert values == plain, name


def test_a_type_that_no_release_knows_is_named_by_its_number() -> None:
    assert dtype_name(2**31 - 1) == "type 2147483647"
    assert dtype_name(tensor_pb2.DT_FLOAT + 100) == "float32_ref"
