"""TensorFlow operations that reach out of the model: to files, to Python, to other machines.

A graph runs them wherever they stand: in the main graph, or in a function that something calls.
The names are those of TensorFlow 2.21's registry of operations and of older releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from explorer.analysis.finding import Finding, Severity, leads_outside, shortened
from explorer.formats.artifact import GraphOp

_PYTHON = "It calls back into Python: running the model runs a function of the loading program."
_READS = "It reads a file of the machine that the graph or its input names."
_WRITES = "It writes a file of the machine that the graph or its input names."
_DATA = "It reads records from files that the graph or its input names."
_CACHES = "It keeps what it has read in files, if the graph or its input names a place for them."
_PRINTS = "It prints to the stream that the graph names, which can be a file."
_VOCABULARY = "It reads a vocabulary when the model is loaded, as a rule from the folder assets."
_LOGS = "It writes a log to a folder that the graph or its input names."
_REMOTE = "It sends or takes data over the network, or runs a function on another machine."
_NATIVE = "It runs native code that is not in TensorFlow and must be installed beside it."
_COMPILED = "It runs a program that was compiled into the graph, which no list of operations shows."

_SAVERS = re.compile(r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints")
"""Spared where they do their usual work."""

_READS_VOCABULARY = "reads-vocabulary"
_MOST_NAMED = 3

_DANGER = Severity.DANGER
_WARNING = Severity.WARNING
_RULES: tuple[tuple[Severity, str, str, str], ...] = (
    (_DANGER, "calls-python", r"(Eager)?PyFunc(Stateless)?", _PYTHON),
    (
        _DANGER,
        "reads-file",
        r"ReadFile|MatchingFiles|ImmutableConst|(Experimental)?MatchingFilesDataset|FileSystem\w+|"
        r"LoadAndRemapMatrix|GenerateVocabRemapping|Restore(V2|Slice)?|DTensorRestoreV2",
        _READS,
    ),
    (
        _DANGER,
        "writes-file",
        r"WriteFile|DumpTensor|(Experimental)?DatasetToTFRecord|SaveDataset(V2)?|"
        r"DistributedSave|SnapshotDataset(V2)?|Debug(Identity|NumericSummary|NanCount)(V\d)?|"
        r"CalibrationStatisticsSaver|Save(V2|Slices)?|MergeV2Checkpoints",
        _WRITES,
    ),
    (
        _DANGER,
        "reaches-network",
        r"Rpc\w+|TryRpc|RemoteCall|(Experimental)?DataServiceDataset(V\d)?|RegisterDataset(V2)?|"
        r"BigQueryReader|CreateSummaryDbWriter",
        _REMOTE,
    ),
    (
        _DANGER,
        "reads-records",
        r"(WholeFile|TextLine|FixedLengthRecord|TFRecord|LMDB)Reader(V2)?|LoadDataset|"
        r"(Experimental)?(TextLine|TFRecord|FixedLengthRecord|CSV|Sql|LMDB)Dataset(V2)?|"
        r"RecordInput|ListSnapshotChunksDataset|SnapshotChunkDataset",
        _DATA,
    ),
    (_WARNING, "keeps-files", r"CacheDataset(V2)?", _CACHES),
    (_WARNING, "prints", r"Print(V2)?", _PRINTS),
    (_WARNING, "writes-log", r"CreateSummaryFileWriter", _LOGS),
    (
        _WARNING,
        "native-code",
        r"XlaCustomCall(V2)?|TRTEngineOp|custom operator .*",
        _NATIVE,
    ),
    (Severity.NOTE, "compiled-program", r"XlaCallModule", _COMPILED),
    (Severity.NOTE, _READS_VOCABULARY, r"InitializeTableFromTextFile(V2)?", _VOCABULARY),
)


def op_findings(ops: Iterable[GraphOp]) -> Iterator[Finding]:
    """One finding for each kind of operation in each graph or function, with how often."""
    groups: dict[tuple[Severity, str, str], list[GraphOp]] = {}
    for op in ops:
        rule = _rule(op.op)
        if rule is not None and not (op.for_saving and _SAVERS.fullmatch(op.op)):
            severity = _vocabulary_severity(op) if rule[1] == _READS_VOCABULARY else rule[0]
            groups.setdefault((severity, op.op, op.where), []).append(op)
    for (severity, op_type, where), group in groups.items():
        rule = _rule(op_type)
        if rule is not None:
            others = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
            message = f"{op_type}: {rule[2]}{_named(group)}"
            yield Finding(severity, rule[1], f"{where}: {group[0].name}{others}", message)


def _vocabulary_severity(op: GraphOp) -> Severity:
    """What loaders put in the place of a path is an asset; a path in the graph itself is none."""
    paths = op.texts()
    if any(map(leads_outside, paths)):
        return Severity.DANGER
    return Severity.WARNING if paths else Severity.NOTE


def _named(group: Sequence[GraphOp]) -> str:
    """What the graph itself gives the operations, of the first that are given anything."""
    texts = dict.fromkeys(text for op in islice(group, _MOST_NAMED) for text in op.texts() if text)
    return f" The graph gives it {', '.join(map(shortened, texts))}." if texts else ""


@lru_cache(maxsize=4096)
def _rule(op: str) -> tuple[Severity, str, str] | None:
    """What is said of an operation; Flex operators of TensorFlow Lite are TensorFlow's own."""
    name = op.removeprefix("Flex")
    found = (rule for rule in _RULES if re.fullmatch(rule[2], name))
    return next(((severity, key, message) for severity, key, _, message in found), None)
