"""The text form of messages against the library's own parser, which is slow but sure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.protobuf import text_message
from explorer.formats.protobuf.text_message import TextError, binary
from explorer.formats.registry import open_artifact
from explorer.formats.schema import saved_model_pb2 as pb
from tests.formats.old_versions.expected import FILES


def ours(text: bytes, kind: type[Message]) -> bytes:
    return kind.FromString(binary(text, kind.DESCRIPTOR)).SerializeToString(deterministic=True)


def theirs(text: bytes, kind: type[Message]) -> bytes:
    message = text_format.Parse(text, kind(), allow_unknown_field=True)
    return message.SerializeToString(deterministic=True)


_WRITTEN = {
    "tf14/frozen.pbtxt": pb.GraphDef,
    "tf115/built/saved_model.pbtxt": pb.SavedModel,
}


@pytest.mark.parametrize("name", _WRITTEN)
def test_what_tensorflow_writes(name: str) -> None:
    text = (FILES / name).read_bytes()
    assert ours(text, _WRITTEN[name]) == theirs(text, _WRITTEN[name])


@pytest.mark.parametrize(
    "text",
    [
        'name: "a" op: "b"',
        "name: 'a', op: 'b';input:\"c\"",
        'name: "a" "b"\n  \'c\'',
        'input: ["a", "b"] input: "c"',
        '# a comment { \nname: "a # b" # another\n',
        r'name: "\n\t\"\\\'\101\x41\u00e9\U0001F600"',
        r'attr { key: "a" value { s: "\000\377\1a" } }',
        'attr { key: "k" value { i: -3 } } attr < key: "k" value < i: 0x1F > >',
        'attr: { key: "k" value: { i: 017 } }',
        'attr { key: "k" value { i: -9223372036854775808 } }',
        'attr { key: "k" value { f: 1.5e-3 } } attr { key: "l" value { f: -inf } }',
        'attr { key: "k" value { f: nan } } attr { key: "l" value { f: 1f } }',
        'attr { key: "k" value { f: 1e300 } }',
        'attr { key: "k" value { b: true } } attr { key: "l" value { b: 0 } }',
        'attr { key: "k" value { type: DT_FLOAT } } attr { key: "l" value { type: 7 } }',
        'attr { key: "k" value { list { i: [1, -2,3] i: 4 f: [] b: [true, false] } } }',
        'attr { key: "k" value { list { shape [{ unknown_rank: true }, { dim { size: 2 } }] } } }',
        'attr [{ key: "k" value { placeholder: "p" } }, < key: "l" >]',
        'new_field: 3 name: "a" newer { name: "b" list: [1, 2] inner < a: "x" "y" > }',
        'newest: [{ a: 1 }, { b: [2] }] name: "a"',
        'name # a\n : # "b"\n\n  # c\n "d" # "e"\n "f" # g\n , op: "h"',
        'input: [ # a\n "b" # c\n "d" # e\n , # f\n "g" ] # h\n ; op: "h"',
        'attr # a\n { # b\n } # c\n name: "d"',
        'attr { key: "k" value { list { i: [ # 1\n 2 # 3\n , # 4,\n -5 # 6\n ] } } }',
        "",
    ],
)
def test_every_way_to_write(text: str) -> None:
    assert ours(text.encode(), pb.NodeDef) == theirs(text.encode(), pb.NodeDef)


def test_extensions_are_left_out() -> None:
    text = b"[type.googleapis.com/other.Kind] { a: [1] } name: 'a'"
    assert ours(text, pb.NodeDef) == ours(b"name: 'a'", pb.NodeDef)


def test_numbers_of_every_size() -> None:
    text = b"int64_value: -5 "
    assert ours(text, pb.StructuredValue) == theirs(text, pb.StructuredValue)
    text = b"float64_value: 1e300"
    assert ours(text, pb.StructuredValue) == theirs(text, pb.StructuredValue)
    text = b"name_to_trace_id { key: 'a' value: 18446744073709551615 }"
    assert ours(text, pb.GraphDebugInfo) == theirs(text, pb.GraphDebugInfo)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name: "a"\nop: 3', "line 2: text in quotes is expected"),
        ("name", "line 1: “n” is not expected"),
        ('name: "a', "line 1: “n” is not expected"),
        ('\n\nattr { key: "a"', "line 3: “}” is missing"),
        ("attr { > }", "line 1: “>” closes nothing"),
        ("}", "line 1: “}” closes nothing"),
        ("attr: 3", "a message of AttrEntry is expected"),
        ("name { }", "text in quotes is expected"),
        ("attr { value { type: DT_NONE } }", "one of DataType is expected, and “DT_NONE” found"),
        ("attr { value { i: x } }", "a whole number is expected, and “x” found"),
        ('attr { value { i: "1" } }', "a whole number is expected, and text found"),
        ("attr { value { b: 2 } }", "true or false is expected, and “2” found"),
        ('{ name: "a" }', "the name of a field is expected"),
        ('"a"', "the name of a field is expected"),
        ('input: ["a", name: "b"]', "a value is expected"),
        ("a {" * 200, "nested too deep"),
        ("a " + " " * 100_000 + "$", "is not expected"),
        ('a: "' + r"\a" * 100_000, "is not expected"),
        ("a " + "# b\n" * 100_000 + "$", "is not expected"),
        ("a: [" + "# b\n" * 100_000 + "$", "is not expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        binary(text.encode(), pb.NodeDef.DESCRIPTOR)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'node: [{ name: "a" op: "NoOp" }, < name: "b" op: "NoOp" >]',
        'node # the first\n [{ name: "a" op: # nothing\n "NoOp" }, { name: "b" op: "NoOp" }]',
    ],
)
def test_a_graph_that_begins_with_a_list(text: str, tmp_path: Path, opened: Any) -> None:
    from tensorflow.core.framework import graph_pb2

    (tmp_path / "a.pbtxt").write_text(text)
    nodes = text_format.Parse(text, graph_pb2.GraphDef()).node
    found = [(op.name, op.op) for op in opened(tmp_path / "a.pbtxt").ops()]
    assert found == [(node.name, node.op) for node in nodes]


def test_more_fields_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_message, "MOST_FIELDS", 50)
    (tmp_path / "a.pbtxt").write_text('node { name: "a" op: "NoOp" }\n' * 20)
    with pytest.raises(UnreadableArtifact, match=r"is text with more than .* Save it in binary"):
        open_artifact(str(tmp_path / "a.pbtxt"))


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pbtxt").write_text(r'node { name: "\377" op: "NoOp" }')
    with pytest.raises(UnreadableArtifact, match="a name in it is not UTF-8"):
        open_artifact(str(tmp_path / "a.pbtxt"))


def test_an_any_may_be_written_as_the_message_in_it() -> None:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from tensorflow.core.protobuf import meta_graph_pb2

    asset = meta_graph_pb2.AssetFileDef(filename="vocabulary.txt")
    packed = AnyMessage()
    packed.Pack(asset)
    written = meta_graph_pb2.CollectionDef()
    written.any_list.value.append(packed)
    text = text_format.MessageToString(written)
    assert "[type.googleapis.com/tensorflow.AssetFileDef]" in text
    read = binary(text.encode(), pb.CollectionDef.DESCRIPTOR)
    assert meta_graph_pb2.CollectionDef.FromString(read) == written
