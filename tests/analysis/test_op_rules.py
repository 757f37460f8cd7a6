"""The rules for operations, held against all that TensorFlow has registered."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from explorer.analysis.unsafe_ops import op_rule
from tests.analysis.scanning import findings


@pytest.fixture(scope="module")
def registered(tf: Any) -> list[Any]:
    """Every operation that this TensorFlow has, as its own registry describes it."""
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session as session

    found = OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    assert len(found.op) > 1500
    return list(found.op)


_PLACE = re.compile(
    r"(.*_)?(file|files|path|dir|directory|address|target|logdir|uri|urls?|descriptor_source|"
    r"memory_region|output_stream|graph_def|mlir_module|basename|prefix(es)?)(names?)?(_name|_pattern)?"
)
_NAMES = re.compile(
    r".*(File|PyFunc|Python|Rpc|Remote|Save(?!d)|Load|Restore|Dump|Record|SnapshotD|Snapshot.*Reader|"
    r"DebugI|DebugN|Network|Service|Custom|Abort|Print|Summary(File|Db)Writer|FromGraph|Matching).*"
)
_REVIEWED = re.compile(
    r"Print|"  # to the standard error stream alone
    r"ShardedFile(name|spec)|"  # make a name, and touch no file
    r"(Experimental)?SetStatsAggregatorDataset|"  # begins the names of counters
    r"Load(All)?TPUEmbedding\w+|"  # from tensors to the accelerator
    r"Reader\w+|"  # of a reader, which has a rule of its own
    r"DeleteRpcFutureResource|"  # of a call, which has a rule of its own
    r"CustomAggregator|XlaSparseDenseMatmulCustomCombiner\w+|"  # compute
    r"_TPUCompileMlir|_XlaHostComputeMlir"  # TensorFlow makes them as it runs a graph
)


def test_every_operation_that_takes_a_place_has_a_rule(registered: list[Any]) -> None:
    texts = {"string", "list(string)"}
    without = set()
    for op in registered:
        named = [a.name for a in op.input_arg if a.type == 7]
        named += [a.name for a in op.attr if a.type in texts]
        if any(map(_PLACE.fullmatch, named)) or _NAMES.fullmatch(op.name):
            without |= {op.name} if op_rule(op.name) is None else set()
    assert not {name for name in without if not _REVIEWED.fullmatch(name)}


def judged(tf: Any, out: Path, run: Any) -> set[tuple[str, str]]:
    """What is said of a SavedModel whose function runs an operation."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])  # type: ignore[untyped-decorator]
    def call(x: Any) -> Any:
        run(x)
        return tf.identity(x)

    module.call = call
    tf.saved_model.save(module, str(out))
    return {(found.severity.value, found.rule) for found in findings(out)}


def printing(stream: Any) -> Any:
    def run(tf: Any, x: Any) -> None:
        tf.print(x, output_stream=stream)

    return run


def caching(*path: str) -> Any:
    def run(tf: Any, x: Any) -> None:
        tf.data.Dataset.from_tensors(x).cache(*path).reduce(x, lambda a, b: a + b)

    return run


def sampling(vocabulary: str) -> Any:
    def run(tf: Any, x: Any) -> None:
        tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=[[tf.cast(x, tf.int64)]],
            num_true=1,
            num_sampled=1,
            unique=False,
            range_max=3,
            vocab_file=vocabulary,
            unigrams=[] if vocabulary else [1.0, 1.0, 1.0],
        )

    return run


def decoding(source: str) -> Any:
    def run(tf: Any, x: Any) -> None:
        tf.io.decode_proto(tf.as_string(x), "a.B", ["c"], [tf.int32], descriptor_source=source)

    return run


def logging(*folder: str) -> Any:
    def run(tf: Any, x: Any) -> None:
        writer = tf.raw_ops.SummaryWriter(shared_name="", container="")
        tf.raw_ops.CreateSummaryFileWriter(
            writer=writer,
            logdir=tf.strings.join(folder) if folder[1:] else folder[0],
            max_queue=1,
            flush_millis=1,
            filename_suffix="",
        )

    return run


def reading_words(*path: str) -> Any:
    def run(tf: Any, x: Any) -> None:
        table = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string, shared_name="a")
        tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table,
            filename=tf.strings.join(path) if path[1:] else path[0],
            key_index=-1,
            value_index=-2,
        )

    return run


def running_a_stored_graph(tf: Any, x: Any) -> None:
    tf.raw_ops.DatasetFromGraph(graph_def=tf.strings.join(["a", tf.as_string(x)]))


def computed_cache(tf: Any, x: Any) -> None:
    tf.data.Dataset.from_tensors(x).cache(tf.as_string(x)).reduce(x, lambda a, b: a + b)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (printing(sys.stdout), set()),
        (printing(sys.stderr), set()),
        (printing("file:///tmp/printed"), {("danger", "prints")}),
        (caching(), set()),
        (caching("/tmp/cached"), {("danger", "keeps-files")}),
        (caching("cached"), {("warning", "keeps-files")}),
        (computed_cache, {("danger", "keeps-files")}),
        (sampling(""), set()),
        (sampling("/etc/passwd"), {("danger", "reads-file")}),
        (decoding("local://"), set()),
        (decoding("bytes://x\ny"), set()),
        (decoding("/etc/passwd"), {("danger", "reads-file")}),
        (logging("/tmp/log"), {("danger", "writes-log")}),
        (logging("/tmp", "/log"), {("danger", "writes-log")}),
        (reading_words("words.txt"), {("warning", "reads-vocabulary")}),
        (reading_words("/etc/passwd"), {("danger", "reads-vocabulary")}),
        (reading_words("/etc", "/passwd"), {("danger", "reads-vocabulary")}),
        (running_a_stored_graph, {("danger", "hidden-graph")}),
    ],
)
def test_operations_are_judged_by_what_the_graph_gives_them(
    tf: Any, tmp_path: Path, run: Any, found: set[Any]
) -> None:
    assert judged(tf, tmp_path, lambda x: run(tf, x)) == found


def test_an_attribute_that_a_caller_fills_in_is_not_known(tf: Any, tmp_path: Path) -> None:
    judged(tf, tmp_path, lambda x: sampling("")(tf, x))
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "FixedUnigramCandidateSampler":
                node.attr["vocab_file"].placeholder = "path"
    file.write_bytes(model.SerializeToString())
    assert {(f.severity.value, f.rule) for f in findings(tmp_path)} == {("danger", "reads-file")}


def test_an_argument_called_like_a_constant_is_not_known(tf: Any, tmp_path: Path) -> None:
    """Inputs of a function's operations say ``name`` of arguments, ``name:output`` of constants."""
    judged(tf, tmp_path, lambda x: caching()(tf, x))
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "CacheDatasetV2":
                name = node.input[1].partition(":")[0]
                function.signature.input_arg.add(name=name, type=7)
                node.input[1] = name
    file.write_bytes(model.SerializeToString())
    assert {(f.severity.value, f.rule) for f in findings(tmp_path)} == {("danger", "keeps-files")}


@pytest.mark.parametrize(
    ("stream", "found"),
    [("stderr", set()), ("file:///tmp/printed", {("danger", "prints")})],
)
def test_operations_that_tensorflow_lite_leaves_to_tensorflow(
    tf: Any, tmp_path: Path, stream: str, found: set[Any]
) -> None:
    @tf.function(input_signature=[tf.TensorSpec([1])])  # type: ignore[untyped-decorator]
    def call(x: Any) -> Any:
        text = tf.as_string(x)
        tf.raw_ops.PrintV2(input=tf.strings.reduce_join(text), output_stream=stream)
        return text

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "model.tflite"
    path.write_bytes(converter.convert())
    assert b"FlexPrintV2" in path.read_bytes()
    assert {(one.severity.value, one.rule) for one in findings(path)} == found
