"""The ``tf.function``s of a SavedModel: how each concrete function is called, as text.

A SavedModel keeps Python values as ``StructuredValue`` messages: a concrete function's signature
is a tuple of positional arguments and keyword arguments. Source:
``tensorflow/core/protobuf/struct.proto`` and ``saved_object_graph.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from explorer.formats.artifact import FunctionVariant, SavedFunction, Shape
from explorer.formats.graph.tf_types import dtype_name, shape_of
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.text import tuple_text

_SPECS = ("tensor_spec_value", "bounded_tensor_spec_value")
_MOST_BYTES = 16 << 20
_NUMBERS = {"float64_value": "float", "int64_value": "int", "bool_value": "bool"}
_SEQUENCES = {"list_value": ("list", "[", "]"), "tuple_value": ("tuple", "(", ")")}
_TENSORS = {"tensor_value": "Tensor", "numpy_value": "ndarray"}


def saved_functions(
    graph: pb.SavedObjectGraph, places: Iterable[tuple[str, str, int]]
) -> list[SavedFunction]:
    """The functions at ``places``: owner, name and node of each.

    A concrete function can be named from many places; from so many that their texts would fill the
    memory, they are left out.
    """
    left = _MOST_BYTES
    found = []
    for owner, name, node in places:
        item = graph.nodes[node]
        left -= sum(_signature_size(graph, concrete) for concrete, _ in _concrete(item))
        variants = tuple(function_variants(graph, item)) if left > 0 else ()
        found.append(SavedFunction(name, variants, owner))
    return found


def _signature_size(graph: pb.SavedObjectGraph, name: str) -> int:
    known = name in graph.concrete_functions
    return graph.concrete_functions[name].ByteSize() if known else len(name)


def function_variants(
    graph: pb.SavedObjectGraph, item: pb.SavedObject
) -> Iterator[FunctionVariant]:
    """The concrete functions of an object that is a function."""
    for name, spec in _concrete(item):
        known = name in graph.concrete_functions
        saved = graph.concrete_functions[name] if known else pb.SavedConcreteFunction()
        if saved.HasField("canonicalized_input_signature"):
            arguments = _arguments(saved.canonicalized_input_signature, _parameters(spec))
        else:
            arguments = list(item.bare_concrete_function.argument_keywords)
        yield FunctionVariant(name, tuple(arguments), tuple(_returns(saved.output_signature)))


def _concrete(item: pb.SavedObject) -> list[tuple[str, pb.FunctionSpec]]:
    """The names of an object's concrete functions, each with what Python's function looked like."""
    if item.WhichOneof("kind") == "bare_concrete_function":
        bare = item.bare_concrete_function
        return [(bare.concrete_function_name, bare.function_spec)]
    return [(name, item.function.function_spec) for name in item.function.concrete_functions]


def _parameters(spec: pb.FunctionSpec) -> list[str]:
    """The names of the positional parameters, without ``self``."""
    for field in spec.fullargspec.named_tuple_value.values:
        if field.key == "args":
            names = [value.string_value for value in field.value.list_value.values]
            bound = spec.is_method or names[:1] == ["self"]
            return names[1:] if bound else names
    return []


def _arguments(signature: pb.StructuredValue, parameters: Sequence[str]) -> list[str]:
    """``signature`` is a tuple of positional arguments and a dictionary of the others."""
    if len(signature.tuple_value.values) != 2:
        return [typed_text(signature)]
    positional, named = signature.tuple_value.values
    texts = [
        argument_text(value, parameters[i] if i < len(parameters) else "")
        for i, value in enumerate(positional.tuple_value.values)
    ]
    fields = sorted(named.dict_value.fields.items())
    return texts + [f"{name}={element_text(value, named=False)}" for name, value in fields]


def _returns(value: pb.StructuredValue) -> list[str]:
    """One text for each value; the names of returned tensors are made up, so they are left out."""
    kind = value.WhichOneof("kind")
    if kind == "dict_value":
        fields = sorted(value.dict_value.fields.items())
        return [f"{key}: {element_text(below, named=False)}" for key, below in fields]
    if kind in _SEQUENCES:
        return [element_text(below, named=False) for below in _items(value)]
    return [] if kind is None else [element_text(value, named=False)]


def argument_text(value: pb.StructuredValue, parameter: str) -> str:
    """A positional argument: ``inputs: float32 (?, 32)``, ``training: bool = False``.

    A tensor goes by the name in its specification, anything else by the parameter's.
    """
    if value.WhichOneof("kind") in _SPECS:
        text = element_text(value)
        named = ": " in text
        return text if named or not parameter else f"{parameter}: {text}"
    return f"{parameter}: {typed_text(value)}" if parameter else typed_text(value)


def typed_text(value: pb.StructuredValue) -> str:
    """``bool = False``: a value after the name of its Python type; a composite type by itself."""
    kind = value.WhichOneof("kind")
    if kind == "type_spec_value":
        return element_text(value)
    return f"{_type_name(value, kind or '')} = {element_text(value)}"


def _type_name(value: pb.StructuredValue, kind: str) -> str:
    if kind in _SEQUENCES:
        return _SEQUENCES[kind][0]
    if kind == "named_tuple_value":
        return value.named_tuple_value.name
    names = {
        **_NUMBERS,
        **_TENSORS,
        "none_value": "NoneType",
        "string_value": "str",
        "dict_value": "dict",
        "tensor_spec_value": "TensorSpec",
        "bounded_tensor_spec_value": "BoundedTensorSpec",
        "tensor_shape_value": "TensorShape",
        "tensor_dtype_value": "DType",
    }
    return names.get(kind, "unknown")


def element_text(value: pb.StructuredValue, *, named: bool = True) -> str:
    """A value as Python shows it, a tensor as ``name: float32 (?, 32)``.

    ``named`` says whether to begin with the name in a tensor's specification.
    """
    kind = value.WhichOneof("kind")
    if kind in _SPECS:
        return _spec_text(getattr(value, kind), named)
    if kind in _NUMBERS:
        return repr(getattr(value, kind))
    if kind in _TENSORS:
        tensor = getattr(value, kind)
        return _tensor_text(tensor.dtype, shape_of(tensor.tensor_shape))
    if kind in _SEQUENCES or kind in ("dict_value", "named_tuple_value"):
        return _nested_text(value, kind)
    return _simple_text(value, kind)


def _simple_text(value: pb.StructuredValue, kind: str | None) -> str:
    if kind == "string_value":
        return repr(value.string_value)
    if kind == "tensor_shape_value":
        return tuple_text(shape_of(value.tensor_shape_value))
    if kind == "tensor_dtype_value":
        return dtype_name(value.tensor_dtype_value)
    if kind == "type_spec_value":
        return _type_spec_text(value.type_spec_value)
    return "None" if kind == "none_value" else "unknown"


def _nested_text(value: pb.StructuredValue, kind: str) -> str:
    if kind == "dict_value":
        fields = value.dict_value.fields.items()
        return "{" + ", ".join(f"{key!r}: {element_text(v)}" for key, v in sorted(fields)) + "}"
    if kind == "named_tuple_value":
        pairs = value.named_tuple_value.values
        return "(" + ", ".join(f"{pair.key}={element_text(pair.value)}" for pair in pairs) + ")"
    _, left, right = _SEQUENCES[kind]
    texts = [element_text(below) for below in _items(value)]
    single = "," if kind == "tuple_value" and len(texts) == 1 else ""
    return left + ", ".join(texts) + single + right


def _items(value: pb.StructuredValue) -> Iterable[pb.StructuredValue]:
    return value.list_value.values or value.tuple_value.values


def _spec_text(spec: pb.TensorSpecProto | pb.BoundedTensorSpecProto, named: bool) -> str:
    text = _tensor_text(spec.dtype, shape_of(spec.shape))
    return f"{spec.name}: {text}" if named and spec.name else text


def _tensor_text(dtype: int, shape: Shape) -> str:
    return f"{dtype_name(dtype)} {tuple_text(shape)}"


def _type_spec_text(spec: pb.TypeSpecProto) -> str:
    """A composite type by the name of its class and what it is made of.

    For example ``RaggedTensorSpec((?, ?), float32, 1, int64)``; every extension type has a class
    ``Spec`` of its own, as in ``Masked.Spec``.
    """
    names = spec.type_spec_class_name.split(".")
    name = ".".join(names[-2:] if names[-1] == "Spec" else names[-1:])
    name = name or _class_name(spec.type_spec_class)
    state = element_text(spec.type_state)
    return f"{name}{state}" if state.startswith("(") else f"{name}({state})"


def _class_name(code: int) -> str:
    """``RAGGED_TENSOR_SPEC`` becomes ``RaggedTensorSpec``; of other codes what is known."""
    values = pb.TypeSpecProto.DESCRIPTOR.enum_types_by_name["TypeSpecClass"].values_by_number
    known = values[code].name if code in values else f"TYPE_{code}"
    return known.title().replace("_", "")


def first_output_shape(graph: pb.SavedObjectGraph, function: pb.SavedObject) -> Shape:
    """The shape of what a function's first concrete function returns, if that is one tensor."""
    for name, _ in _concrete(function)[:1]:
        if name in graph.concrete_functions:
            output = graph.concrete_functions[name].output_signature
            if output.WhichOneof("kind") == "tensor_spec_value":
                return shape_of(output.tensor_spec_value.shape)
    return None
