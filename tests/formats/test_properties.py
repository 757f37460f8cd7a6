"""What holds of any bytes, any array, any selection and any message that hypothesis thinks of."""

from __future__ import annotations

import io
import math
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from explorer.analysis.slicing import parse_slice
from explorer.formats.protobuf.text_message import binary
from explorer.formats.protobuf.varint import varint, varint_of
from explorer.formats.registry import FORMATS, open_artifact
from explorer.formats.schema import saved_model_pb2 as pb
from tests.formats.fuzz import examine

# Any bytes end in a tree or in a refusal

_BEGINNINGS = {
    "model.h5": b"\x89HDF\r\n\x1a\n",
    "model.keras": b"PK\x03\x04",
    "model.tflite": b"\x1c\0\0\0TFL3",
    "model.npy": b"\x93NUMPY\x01\0",
    "model.npz": b"PK\x03\x04",
    "model.safetensors": b"\x40\0\0\0\0\0\0\0{",
    "model.onnx": b"\x08\x08\x3a",
    "graph.pb": b"\x0a\x10\x0a\x01x\x12\x05Const",
    "graph.pbtxt": b"node {",
    "graph.meta": b"\x0a\x04\x2a\x02v1\x12",
    "model.json": b'{"modelTopology": {',
    "x.weights.json": b'{"weight_map": {',
    "model.index": b"\0\0\x01",
    "model.tar": b"x" + bytes(99) + b"0000644\0",
    "model.tgz": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "saved_model.pb": b"\x08\x01\x12",
}
_TABLE_END = bytes(40) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


def test_every_format_has_a_beginning() -> None:
    """Folders are built of files that have one."""
    endings = {ending for row in FORMATS for ending in row.endings if ending}
    assert {e for e in endings if not any(name.endswith(e) for name in _BEGINNINGS)} <= {
        ".hdf5",
        ".weights.h5",
        ".safetensors.index.json",
        ".tar.gz",
    }


@pytest.mark.parametrize("name", _BEGINNINGS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_bytes_end_in_a_tree_or_a_refusal(name: str, data: st.DataObject) -> None:
    rest = data.draw(st.binary(max_size=300))
    whole = data.draw(st.sampled_from([b"", _BEGINNINGS[name]])) + rest
    if name.endswith(".index"):
        whole += _TABLE_END
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(whole)
        assert examine(Path(folder) / name) in (True, False)
        assert examine(Path(folder)) in (True, False)


# Any array and any selection of it

_TYPES = st.sampled_from(["<f4", ">f8", "<f2", "<i8", ">i2", "|u1", "|b1", "<c8"])


def write_npy(array: np.ndarray, folder: Path) -> Path:
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


def write_columns_first(array: np.ndarray, folder: Path) -> Path:
    return write_npy(array.copy(order="F"), folder)


def write_npz(array: np.ndarray, folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", x=array)
    return folder / "x.npz"


def write_in_zip(array: np.ndarray, folder: Path) -> Path:
    content = io.BytesIO()
    np.save(content, array)
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("inner/x.npy", content.getvalue())
        archive.writestr("README", "an array")
    return folder / "x.zip"


def write_safetensors(array: np.ndarray, folder: Path) -> Path:
    native = array.astype(array.dtype.newbyteorder("="))
    safetensors.numpy.save_file({"x": native.copy(order="C")}, folder / "x.safetensors")
    return folder / "x.safetensors"


def write_onnx(array: np.ndarray, folder: Path) -> Path:
    native = array.astype(array.dtype.newbyteorder("="))
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(native, "x")])
    onnx.save(onnx.helper.make_model(graph), folder / "x.onnx")
    return folder / "x.onnx"


@pytest.mark.parametrize(
    "write",
    [write_npy, write_columns_first, write_npz, write_in_zip, write_safetensors, write_onnx],
)
@settings(max_examples=60)
@given(data=st.data())
def test_any_selection_of_any_array_is_numpys(
    write: Callable[[np.ndarray, Path], Path], data: st.DataObject
) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = np.arange(math.prod(shape)).reshape(shape).astype(data.draw(_TYPES))
    selection = data.draw(hnp.basic_indices(shape, allow_ellipsis=False, allow_newaxis=False))
    selection = selection if isinstance(selection, tuple) else (selection,)
    with tempfile.TemporaryDirectory() as folder:
        artifact = open_artifact(str(write(array, Path(folder))))
        (tensor,) = artifact.tensors()
        assert tensor.shape == shape
        assert np.array_equal(tensor.read(selection), array[selection])
        assert np.array_equal(tensor.read(), array)
        artifact.close()


def _written(index: int | slice) -> str:
    if not isinstance(index, slice):
        return str(index)
    parts = ["" if part is None else str(part) for part in (index.start, index.stop)]
    return ":".join(parts) + ("" if index.step is None else f":{index.step}")


@settings(max_examples=300)
@given(data=st.data())
def test_a_slice_is_read_as_python_reads_it(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6))
    selection = data.draw(hnp.basic_indices(shape, allow_ellipsis=False, allow_newaxis=False))
    selection = selection if isinstance(selection, tuple) else (selection,)
    text = ",".join(map(_written, selection))
    if text:
        assert parse_slice(text, shape) == selection


# Any message


@settings(max_examples=300)
@given(st.integers(0, 2**64 - 1))
def test_any_number_of_variable_length(value: int) -> None:
    message = pb.AttrValue(i=value - 2**64 if value >= 2**63 else value)
    assert message.SerializeToString()[1:] == varint_of(value) or value == 0
    assert varint(varint_of(value), 0) == (value, len(varint_of(value)))


_attributes = st.one_of(
    st.builds(lambda v: {"s": v}, st.binary(max_size=20)),
    st.builds(lambda v: {"i": v}, st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: {"f": v}, st.floats(width=32, allow_nan=False)),
    st.builds(lambda v: {"b": v}, st.booleans()),
    st.builds(lambda v: {"list": {"i": v}}, st.lists(st.integers(-9, 9), max_size=4)),
    st.builds(lambda v: {"func": {"name": v}}, st.text(max_size=9)),
)
_nodes = st.fixed_dictionaries(
    {"name": st.text(max_size=9), "op": st.text(max_size=9)},
    optional={
        "input": st.lists(st.text(max_size=9), max_size=3),
        "attr": st.dictionaries(st.text(max_size=9), _attributes, max_size=3),
    },
)


def _graph(nodes: list[dict[str, Any]]) -> pb.GraphDef:
    graph = pb.GraphDef()
    for about in nodes:
        node = graph.node.add(name=about["name"], op=about["op"], input=about.get("input", ()))
        for key, value in about.get("attr", {}).items():
            node.attr[key].CopyFrom(pb.AttrValue(**value))
    return graph


@settings(max_examples=200)
@given(nodes=st.lists(_nodes, max_size=4), one_line=st.booleans(), as_utf8=st.booleans())
def test_any_message_is_read_as_text_as_in_binary(
    nodes: list[dict[str, Any]], one_line: bool, as_utf8: bool
) -> None:
    graph = _graph(nodes)
    text = text_format.MessageToString(graph, as_one_line=one_line, as_utf8=as_utf8)
    assert pb.GraphDef.FromString(binary(text.encode(), pb.GraphDef.DESCRIPTOR)) == graph


_valid_nodes = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9_./-]{0,9}", fullmatch=True),
        "op": st.from_regex(r"[A-Z][A-Za-z0-9]{0,9}", fullmatch=True),
    },
    optional={"attr": st.dictionaries(st.text(max_size=9), _attributes, max_size=3)},
)
"""Names as TensorFlow allows them (``tensorflow/core/framework/node_def_util.cc``)."""


@settings(max_examples=100)
@given(st.lists(_valid_nodes, min_size=1, max_size=5))
def test_any_graph_has_its_operations(nodes: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.pb"
        path.write_bytes(_graph(nodes).SerializeToString())
        artifact = open_artifact(str(path))
        found = [(op.op, op.name) for op in artifact.ops()]
        assert found == [(about["op"], about["name"]) for about in nodes]
        artifact.close()
