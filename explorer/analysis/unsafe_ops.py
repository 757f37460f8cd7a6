"""TensorFlow operations that reach out of the model: to files, to Python, to other machines.

A graph runs them wherever they stand: in the main graph, or in a function that something calls.
The names are those of TensorFlow 2.21's registry of operations and of older releases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from explorer.analysis.finding import Finding, Severity, leads_outside, shortened
from explorer.formats.artifact import GraphOp

_DANGER, _WARNING, _NOTE = Severity

_Judge = Callable[[GraphOp], Severity | None]
"""How bad an operation is by what it is given; ``None`` where it is harmless."""


def _text(op: GraphOp, index: int) -> str | None:
    """What the graph gives an input, ``None`` where that is not known."""
    return next(islice(op.texts(), index, None), None)


def _vocabulary(op: GraphOp) -> Severity:
    """What loaders put in the place of a path is an asset; one in the graph itself is none, and
    one that the graph computes can be any. Training code names its author's own files.
    """
    path = _text(op, 1)
    if path is None and 1 in op.supplied():
        return _NOTE
    is_computed = path is None and bool(op.texts())
    is_other = is_computed or leads_outside(path or "")
    return _DANGER if is_other and not op.by_hand else _WARNING


def _cache(op: GraphOp) -> Severity | None:
    """Without a path, as ``Dataset.cache()`` writes it, what was read is kept in memory."""
    path = _text(op, 1)
    if path == "":
        return None
    return _DANGER if path is None or leads_outside(path) else _WARNING


_PRINTED = re.compile(r"stderr|stdout|log\((info|warning|error)\)")
_TO_FILE = "file://"


def _stream(op: GraphOp) -> Severity | None:
    """``tf.print`` goes to the standard error stream; the attribute may also name a file."""
    attributes = op.attributes()
    if attributes is None:
        return _WARNING
    streams = attributes.get("output_stream", ())
    if any(stream is None or stream.startswith(_TO_FILE) for stream in streams):
        return _DANGER
    return None if all(_PRINTED.fullmatch(stream or "") for stream in streams) else _WARNING


def _file_if_named(attribute: str, harmless: str = "") -> _Judge:
    """Of operations that read a file only if one of their attributes names it."""

    def judge(op: GraphOp) -> Severity | None:
        attributes = op.attributes()
        if attributes is None:
            return _WARNING
        names = attributes.get(attribute, ())
        is_harmless = all(n is not None and re.fullmatch(harmless, n, re.DOTALL) for n in names)
        return None if is_harmless else _DANGER

    return judge


@dataclass(frozen=True, slots=True)
class OpRule:
    """What is said of the operations that ``names`` matches. ``judge`` may differ by ``severity``
    for one of them.
    """

    severity: Severity
    key: str
    names: str
    message: str
    judge: _Judge | None = None

    def severity_of(self, op: GraphOp) -> Severity | None:
        """How bad an operation is, ``None`` where it is harmless."""
        return self.severity if self.judge is None else self.judge(op)


_RULES = (
    OpRule(
        _DANGER,
        "calls-python",
        r"(Eager)?PyFunc(Stateless)?|custom operator (.*\.)?PyOp",
        "It calls back into Python: running the model runs a function of the loading program.",
    ),
    OpRule(
        _DANGER,
        "reads-file",
        r"ReadFile|MatchingFiles|ImmutableConst|(Experimental)?MatchingFilesDataset|FileSystem\w+|"
        r"LoadAndRemapMatrix|GenerateVocabRemapping|Restore(V2|Slice)?|DTensorRestoreV2|Skipgram",
        "It reads a file of the machine that the graph or its input names.",
    ),
    OpRule(
        _DANGER,
        "reads-file",
        r"FixedUnigramCandidateSampler",
        "It reads its vocabulary from a file of the machine, if its attribute vocab_file names it.",
        _file_if_named("vocab_file"),
    ),
    OpRule(
        _DANGER,
        "reads-file",
        r"(De|En)codeProto(V2)?",
        "It reads the form of its messages from a file of the machine, if descriptor_source names "
        "it.",
        _file_if_named("descriptor_source", r"(local://|bytes://.*)?"),
    ),
    OpRule(
        _DANGER,
        "writes-file",
        r"WriteFile|DumpTensor|(Experimental)?DatasetToTFRecord|SaveDataset(V2)?|"
        r"DistributedSave|SnapshotDataset(V2)?|Debug(Identity|NumericSummary|NanCount)(V\d)?|"
        r"CalibrationStatisticsSaver|Save(V2|Slices)?|MergeV2Checkpoints",
        "It writes a file of the machine that the graph or its input names.",
    ),
    OpRule(
        _DANGER,
        "reaches-network",
        r"Rpc\w+|TryRpc|RemoteCall|(Experimental)?DataServiceDataset(V\d)?|RegisterDataset(V2)?|"
        r"BigQueryReader|CreateSummaryDbWriter",
        "It sends or takes data over the network, or runs a function on another machine.",
    ),
    OpRule(
        _DANGER,
        "reads-records",
        r"(WholeFile|TextLine|FixedLengthRecord|TFRecord|LMDB)Reader(V2)?|LoadDataset|"
        r"(Experimental)?(TextLine|TFRecord|FixedLengthRecord|CSV|Sql|LMDB)Dataset(V2)?|"
        r"RecordInput|ListSnapshotChunksDataset|SnapshotChunkDataset|"
        r"Snapshot(Nested)?DatasetReader",
        "It reads records from files that the graph or its input names.",
    ),
    OpRule(
        _DANGER,
        "hidden-graph",
        r"DatasetFromGraph|RemoteFusedGraphExecute",
        "It runs a whole graph that is kept as a text, where its operations are not looked at.",
    ),
    OpRule(
        _WARNING,
        "keeps-files",
        r"CacheDataset(V2)?",
        "It keeps what it has read in files, if the graph or its input names a place for them.",
        _cache,
    ),
    OpRule(
        _WARNING,
        "prints",
        r"PrintV2",
        "It prints to the stream that the graph names, which can be a file.",
        _stream,
    ),
    OpRule(
        _DANGER,
        "writes-log",
        r"CreateSummaryFileWriter",
        "It writes a log to a folder that the graph or its input names.",
    ),
    OpRule(
        _WARNING,
        "native-code",
        r"XlaCustomCall(V2)?|TRTEngineOp|custom operator .*|\w+(>\w+)+",
        "It runs native code that is not in TensorFlow and must be installed beside it.",
    ),
    OpRule(_WARNING, "ends-program", r"Abort", "It ends the program that runs the model."),
    OpRule(
        _NOTE,
        "compiled-program",
        r"XlaCallModule|MlirPassthroughOp",
        "It runs a program that was compiled into the graph, which no list of operations shows.",
    ),
    OpRule(
        _NOTE,
        "reads-vocabulary",
        r"InitializeTableFromTextFile(V2)?",
        "It reads a vocabulary from a file, as a rule when the model is loaded: one of the folder "
        "assets, unless the graph gives it another.",
        _vocabulary,
    ),
)

_PLACES = (
    "debug_urls",
    "descriptor_source",
    "file_pattern",
    "filename",
    "memory_region_name",
    "output_file_path",
    "output_stream",
    "vocab_file",
)
"""The attributes of these operations that name a file or what takes its place."""
_MOST_NAMED = 3


@dataclass(slots=True)
class _Group:
    """The operations of one kind in one place, of which only the first are kept."""

    rule: OpRule
    count: int = 0
    first: list[GraphOp] = field(default_factory=list)

    def add(self, op: GraphOp) -> None:
        self.count += 1
        if len(self.first) < _MOST_NAMED:
            self.first.append(op)

    def finding(self, severity: Severity) -> Finding:
        op = self.first[0]
        others = f" and {self.count - 1:,} more" if self.count > 1 else ""
        message = f"{op.op}: {self.rule.message}{self._given()}"
        return Finding(severity, self.rule.key, f"{op.where}: {op.name}{others}", message)

    def _given(self) -> str:
        """What the graph itself gives the operations, of the first that are given anything."""
        texts = dict.fromkeys(text for op in self.first for text in _given(op) if text)
        return f" The graph gives it {', '.join(map(shortened, texts))}." if texts else ""


def _given(op: GraphOp) -> Iterator[str | None]:
    attributes = op.attributes() or {}
    yield from op.texts()
    for key in _PLACES:
        yield from attributes.get(key, ())


def op_findings(ops: Iterable[GraphOp]) -> Iterator[Finding]:
    """One finding for each kind of operation in each graph or function, with how often."""
    groups: dict[tuple[Severity, str, str], _Group] = {}
    for op in ops:
        rule = None if op.for_saving else op_rule(op.op)
        severity = rule.severity_of(op) if rule else None
        if rule and severity:
            groups.setdefault((severity, op.op, op.where), _Group(rule)).add(op)
    for (severity, *_), group in groups.items():
        yield group.finding(severity)


@lru_cache(maxsize=4096)
def op_rule(op: str) -> OpRule | None:
    """What is said of an operation; Flex operators of TensorFlow Lite are TensorFlow's own."""
    name = op.removeprefix("Flex")
    return next((rule for rule in _RULES if re.fullmatch(rule.names, name)), None)
