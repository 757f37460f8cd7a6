"""Hold an artifact against what ``saved_model_cli show --all`` prints of the same folder."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from explorer.formats.artifact import Artifact, FunctionVariant, Shape, SignatureTensor

NOT_LISTED = "N/A (could not be listed"
_SPEC = re.compile(
    r"(?:Bounded)?TensorSpec\(shape=(\(.*?\)|<unknown>|None), dtype=tf\.(\w+), name=('[^']*'|None)"
    r"(?:, minimum=.*?, maximum=.*?)?\)"
)
_SHAPE = re.compile(r"TensorShape\((\[.*?\]|None)\)")
_DTYPE = re.compile(r"<dtype: '(\w+)'>|\btf\.(\w+)")


def cli_text(folder: Path) -> str:
    """The command's own output, from a process of its own."""
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--all"]
    done = subprocess.run(
        [*command, "--dir", str(folder)], capture_output=True, text=True, check=True
    )
    return done.stdout


def assert_matches_cli(artifact: Artifact, text: str) -> None:
    """Signatures, operations and functions are all that the command printed, and no more."""
    before, _, functions = text.partition("\nConcrete Functions:")
    assert sorted(_our_signatures(artifact)) == sorted(_cli_signatures(before))
    ours = sorted((str(list(o.tag_set)), list(o.names)) for o in artifact.operations())
    assert ours == sorted(_cli_operations(before))
    if NOT_LISTED not in functions:
        _assert_functions(artifact, functions)


# Signatures and operations


def _our_signatures(artifact: Artifact) -> Iterator[tuple[str, ...]]:
    for signature in artifact.signatures:
        start = (", ".join(signature.tag_set), signature.key)
        yield (*start, signature.method)
        for tensor in signature.inputs:
            yield (*start, "inputs", tensor.name, *_our_tensor(tensor))
        for tensor in signature.outputs:
            yield (*start, "outputs", tensor.name, *_our_tensor(tensor))


def _our_tensor(tensor: SignatureTensor) -> tuple[str, str, str]:
    """The command prints no name for a tensor that is made of several."""
    name = "" if ", " in tensor.graph_tensor else tensor.graph_tensor
    return tensor.dtype, _cli_shape(tensor.shape), name


def _cli_shape(shape: Shape) -> str:
    if shape is None:
        return "unknown_rank"
    return f"({', '.join('-1' if size is None else str(size) for size in shape)})"


def _cli_signatures(text: str) -> Iterator[tuple[str, ...]]:
    tags = key = ""
    lines = iter(text.splitlines())
    for line in lines:
        if match := re.match(r"MetaGraphDef with tag-set: '(.*)' contains", line):
            tags = match[1]
        elif match := re.match(r"signature_def\['(.*)'\]:", line):
            key = match[1]
        elif match := re.match(r"  Method name is: (.*)", line):
            yield tags, key, match[1]
        elif match := re.match(r"    (inputs|outputs)\['(.*)'\] tensor_info:", line):
            yield tags, key, match[1], match[2], *_cli_tensor(lines)


def _cli_tensor(lines: Iterator[str]) -> tuple[str, str, str]:
    dtype, shape, name = (next(lines).partition(": ")[2] for _ in range(3))
    renamed = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}
    return renamed.get(dtype, dtype.removeprefix("DT_").lower()), shape, name


def _cli_operations(text: str) -> Iterator[tuple[str, list[str]]]:
    for tags, names in re.findall(r"The MetaGraph with tag set (.*) contains .* ops: (.*)", text):
        yield tags, sorted(ast.literal_eval(names)) if names != "set()" else []


# Functions


def _assert_functions(artifact: Artifact, text: str) -> None:
    ours = {f.name: f.variants for f in artifact.functions() if not f.owner}
    theirs = dict(_cli_functions(text))
    assert ours.keys() == theirs.keys()
    for name, variants in ours.items():
        printed = [_our_option(v) for v in variants if v.arguments]
        assert Counter(printed) == Counter(theirs[name]), name


_Option = tuple[tuple[str, ...], tuple[str, ...]]


def _our_option(variant: FunctionVariant) -> _Option:
    """Positional arguments as the command can tell them, and the names of the others."""
    named = [a.partition("=")[0] for a in variant.arguments if re.match(r"\w+=", a)]
    positional = [a for a in variant.arguments if not re.match(r"\w+=", a)]
    return tuple(_our_argument(argument) for argument in positional), tuple(sorted(named))


def _our_argument(argument: str) -> str:
    """The command does not print a parameter's name, only that in a tensor's specification."""
    typed = re.fullmatch(r"(?:\w+: )?(\w+ = .*|\w+Spec\(.*)", argument, re.DOTALL)
    return _in_order(typed[1] if typed else argument)


def _cli_functions(text: str) -> Iterator[tuple[str, list[_Option]]]:
    for block in text.split("\n  Function Name: '")[1:]:
        name, _, rest = block.partition("'\n")
        yield name, [_cli_option(option) for option in re.split(r"    Option #\d+\n", rest)[1:]]


def _cli_option(text: str) -> _Option:
    positional = re.findall(r"^        Argument #\d+\n((?: {10}.*\n?)+)", text, re.MULTILINE)
    named = re.findall(r"^        Named Argument #\d+\n {10}(.*)", text, re.MULTILINE)
    return tuple(_cli_argument(argument) for argument in positional), tuple(sorted(named))


def _cli_argument(text: str) -> str:
    lines = [line[10:] for line in text.splitlines()]
    if lines[0].startswith("DType: "):
        kind = lines[0].partition(": ")[2]
        value = _cli_value(lines[1].partition(": ")[2], kind)
        return _in_order(value if value.startswith(f"{kind}(") else f"{kind} = {value}")
    if match := re.fullmatch(r"(\S+): ((?:Bounded)?TensorSpec\(.*\))", lines[0]):
        return _plain(match[2])
    return f"str = {lines[0].strip()!r}"


def _cli_value(text: str, kind: str) -> str:
    """A value in our words; the command erases a last comma by printing backspaces."""
    value = _plain(re.sub(r"(, )?\x08\x08", "", text))
    return f"({value[1:-1]})" if kind == "tuple" else value


def _in_order(text: str) -> str:
    """Dictionaries by key: a SavedModel keeps them in no order. And no comma behind a last one."""
    text = text.replace(",)", ")")
    found: list[str] = []
    while match := re.search(r"\{([^{}]*)\}", text):
        items = sorted(re.split(r", (?='\w+': )", match[1]))
        found.append("{" + ", ".join(items) + "}")
        text = f"{text[: match.start()]}<{len(found) - 1}>{text[match.end() :]}"
    while match := re.search(r"<(\d+)>", text):
        text = text.replace(match[0], found[int(match[1])])
    return text


def _plain(text: str) -> str:
    text = _SPEC.sub(lambda match: _our_spec(*match.groups()), text)
    text = _SHAPE.sub(lambda match: _our_shape(match[1]), text)
    return _DTYPE.sub(lambda match: match[1] or match[2], text)


def _our_spec(shape: str, dtype: str, name: str) -> str:
    text = f"{dtype} {_our_shape(shape)}"
    return text if name == "None" else f"{ast.literal_eval(name)}: {text}"


def _our_shape(text: str) -> str:
    if text in ("None", "<unknown>"):
        return "unknown"
    sizes = ["?" if size is None else str(size) for size in ast.literal_eval(text)]
    return f"({', '.join(sizes)})"
