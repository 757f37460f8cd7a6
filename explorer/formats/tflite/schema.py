"""Numbers of the TensorFlow Lite schema: fields by table, data types, built-in operators.

Source: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``, version 3, and
``tensorflow/lite/schema/conversion_metadata.fbs``. A test compares them with TensorFlow's own.
"""

from __future__ import annotations

from enum import IntEnum

IDENTIFIER = b"TFL3"


class Model(IntEnum):
    """Fields of the root table."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    DESCRIPTION = 3
    BUFFERS = 4
    METADATA = 6
    SIGNATURE_DEFS = 7
    EXTERNAL_BUFFER_GROUPS = 8
    EXTERNAL_BUFFERS = 9


class OperatorCode(IntEnum):
    """Fields of an operator's kind; the first byte-sized code holds up to 126."""

    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    VERSION = 2
    BUILTIN_CODE = 3


class SubGraph(IntEnum):
    """Fields of a graph."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3
    NAME = 4


class TensorField(IntEnum):
    """Fields of a tensor."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    IS_VARIABLE = 5
    SPARSITY = 6
    SHAPE_SIGNATURE = 7
    HAS_RANK = 8
    VARIANT_TENSORS = 9
    EXTERNAL_BUFFER = 10


class VariantSubType(IntEnum):
    """Fields of what a variant tensor holds."""

    SHAPE = 0
    TYPE = 1
    HAS_RANK = 2


class Quantization(IntEnum):
    """Fields of a tensor's quantization; ``real = scale × (stored - zero point)``."""

    MIN = 0
    MAX = 1
    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    DETAILS = 5
    QUANTIZED_DIMENSION = 6


class QuantizationDetails(IntEnum):
    """Which table the details of a quantization are."""

    CUSTOM_QUANTIZATION = 1
    BLOCKWISE_QUANTIZATION = 2
    MULTI_AXIS_QUANTIZATION = 3


class BlockwiseQuantization(IntEnum):
    """Fields of a quantization in blocks; tensors of the same graph hold scales and zero points."""

    SCALES = 0
    ZERO_POINTS = 1
    BLOCK_SIZE = 2


class SparsityParameters(IntEnum):
    """Fields of how a sparse tensor is stored."""

    TRAVERSAL_ORDER = 0
    BLOCK_MAP = 1
    DIM_METADATA = 2


class DimensionMetadata(IntEnum):
    """Fields of one dimension of a sparse tensor; format 0 is dense, 1 compressed rows."""

    FORMAT = 0
    DENSE_SIZE = 1


class Operator(IntEnum):
    """Fields of a node of a graph."""

    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    BUILTIN_OPTIONS_TYPE = 3
    BUILTIN_OPTIONS = 4
    CUSTOM_OPTIONS = 5
    MUTATING_VARIABLE_INPUTS = 7
    INTERMEDIATES = 8
    LARGE_CUSTOM_OPTIONS_OFFSET = 9
    LARGE_CUSTOM_OPTIONS_SIZE = 10
    BUILTIN_OPTIONS_2_TYPE = 11
    BUILTIN_OPTIONS_2 = 12


class Buffer(IntEnum):
    """Fields of a buffer; beyond 2 GB its bytes are at an offset from the start of the file."""

    DATA = 0
    OFFSET = 1
    SIZE = 2


class ExternalBuffer(IntEnum):
    """Fields of a buffer in another file, which its group names."""

    ID = 0
    GROUP = 1
    OFFSET = 2
    LENGTH = 3
    PACKING = 4


class ExternalBufferGroup(IntEnum):
    """Fields of a file that holds buffers."""

    NAME = 0


class Metadata(IntEnum):
    """Fields of an entry of the metadata."""

    NAME = 0
    BUFFER = 1


class SignatureDef(IntEnum):
    """Fields of a signature."""

    INPUTS = 0
    OUTPUTS = 1
    SIGNATURE_KEY = 2
    SUBGRAPH_INDEX = 4


class TensorMap(IntEnum):
    """Fields of a signature's input or output."""

    NAME = 0
    TENSOR_INDEX = 1


class ConversionMetadata(IntEnum):
    """Fields of the converter's own note, a FlatBuffer inside a buffer."""

    ENVIRONMENT = 0
    OPTIONS = 1


class Environment(IntEnum):
    """Fields of the note's environment."""

    TENSORFLOW_VERSION = 0
    API_VERSION = 1
    MODEL_TYPE = 2


class ConversionOptions(IntEnum):
    """Fields of how the model was converted."""

    MODEL_OPTIMIZATION_MODES = 0
    ALLOW_CUSTOM_OPS = 1
    ENABLE_SELECT_TF_OPS = 2
    FORCE_SELECT_TF_OPS = 3


MODEL_TYPES = (
    "not said",
    "SavedModel",
    "Keras model",
    "concrete functions",
    "GraphDef",
    "session",
    "JAX",
    "PyTorch",
)
"""What was converted, by number of the note's ``ModelType``."""

OPTIMIZATION_MODES = {
    1001: "float16 weights",
    1002: "dynamic range quantization",
    1003: "full integer quantization",
    1004: "16-bit activations",
    2000: "quantization-aware training",
    3001: "random sparsity",
    3002: "block sparsity",
    3003: "structured sparsity",
}
"""By number of the note's ``ModelOptimizationMode``."""


DTYPES = (
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
    "uint4",
    "float8_e4m3fn",
    "float8_e5m2",
)
"""By number of the schema's ``TensorType``; the last two are of LiteRT 2."""

CUSTOM_OPERATOR = 32

CALLED_GRAPHS: dict[int, tuple[tuple[str, int], ...]] = {
    16: (("subgraph", 0),),
    92: (("then", 0), ("else", 1)),
    93: (("condition", 0), ("body", 1)),
    103: (("initialization", 0),),
}
"""By number of the schema's ``BuiltinOptions``: fields that hold the index of a graph."""

CALLED_GRAPHS_2: dict[int, tuple[tuple[str, int], ...]] = {
    6: (("body", 1),),
    7: (("update", 6),),
    13: (("body", 5),),
    14: (("comparator", 2),),
    15: (("condition", 0), ("body", 1)),
    21: (("decomposition", 1),),
}
"""The same for ``BuiltinOptions2``, which belong to StableHLO's operators."""


_OPERATOR_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL
CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST
PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN
TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK
REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS
WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG
REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD
UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR
RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
OPERATORS = tuple(_OPERATOR_NAMES.split())
"""By number of the schema's ``BuiltinOperator``."""
