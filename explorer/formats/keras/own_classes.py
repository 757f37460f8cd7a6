"""Which classes are Keras's own, in every line from 1 to 3, by the names that a config uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from explorer.formats.json_tree import as_mapping, as_text

LAYERS = frozenset(
    """
    AbstractRNNCell Activation ActivityRegularization AdaptiveAveragePooling1D
    AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    AdaptiveMaxPooling3D Add AddLoss AddMetric AdditiveAttention AlphaDropout
    AtrousConvolution1D AtrousConvolution2D Attention AugMix AutoContrast Average
    AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
    BaseRandomLayer BatchNormalization BatchNormalizationBase BatchNormalizationV1
    BatchNormalizationV2 Bidirectional CategoryEncoding CenterCrop ClassMethod Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D ConvLSTMCell ConvRecurrent2D
    Convolution1D Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D
    Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix
    Deconvolution2D Deconvolution3D Dense DenseFeatures DepthwiseConv1D DepthwiseConv2D
    DeviceWrapper Discretization Dot Dropout DropoutWrapper DynamicEmbedding DynamicLookup ELU
    EinsumDense Embedding Equalization Flatten FlaxLayer Functional GRU GRUCell GRUCellV1
    GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
    GroupedQueryAttention HashedCrossing Hashing Highway Identity InputLayer InputSpec
    InstanceMethod InstanceProperty IntegerLookup JaxLayer LSTM LSTMCell LSTMCellV1 LSTMCellV2
    LSTMV1 LSTMV2 Lambda Layer LayerNormalization LeakyReLU LinearModel LocallyConnected1D
    LocallyConnected2D Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D
    MaxPooling2D MaxPooling3D Maximum MaxoutDense MelSpectrogram Merge Minimum MixUp Model
    MultiHeadAttention Multiply Normalization PReLU ParametricSoftplus Permute Pipeline
    RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
    RandomFourierFeatures RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness
    RandomShear RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape
    ResidualWrapper Resizing ReversibleEmbedding SReLU STFTSpectrogram SeparableConv1D
    SeparableConv2D SeparableConvolution1D SeparableConvolution2D SequenceFeatures Sequential
    SimpleRNN SimpleRNNCell SlicingOpLambda Softmax Solarization SpatialDropout1D
    SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup
    Subtract SyncBatchNormalization TFOpLambda TFSMLayer TensorFlowOpLayer TextVectorization
    ThresholdedReLU TimeDistributed TimeDistributedDense TorchModuleWrapper UnitNormalization
    UpSampling1D UpSampling2D UpSampling3D WideDeepModel Wrapper ZeroPadding1D ZeroPadding2D
    ZeroPadding3D _RNNCellWrapper
    """.split()  # noqa: SIM905 - one name per line is no easier to read
)
"""Layers and models, by class name."""

OPERATIONS = frozenset(
    """
    Abs Absolute AdaptiveAveragePool AdaptiveMaxPool Add AffineTransform All AllClose Amax Amin
    Angle Any Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin
    Argpartition Argsort Array ArraySplit AssociativeScan Average AveragePool BatchNorm
    BinaryCrossentropy Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr
    BitwiseRightShift BitwiseXor BroadcastTo CDist CTCDecode CTCLoss Cast
    CategoricalCrossentropy Cbrt Ceil Celu Cholesky CholeskyInverse Clip Concatenate Cond Conj
    Conjugate Conv ConvTranspose ConvertToTensor Copy Corrcoef Correlate Cos Cosh CountNonzero
    CropImages Cross Cumprod Cumsum Deg2rad DepthToSpace DepthwiseConv Det Diag Diagflat
    Diagonal Diff Digitize Divide DivideNoNan Dot DotProductAttention Dsplit Dstack Eig Eigh
    Einsum ElasticTransform Elu EmptyLike Equal Erf Erfc Erfinv Exp Exp2 ExpandDims Expm1
    ExtractPatches ExtractSequences FFT FFT2 Fabs FakeQuantWithMinMaxVars Flip Fliplr Flipud
    Floor FloorDivide Fmax Fmin Fmod Fold ForiLoop Full FullLike Function GaussianBlur Gcd Gelu
    Geomspace GetItem Glu Greater GreaterEqual HSVToRGB HardShrink HardSigmoid HardSilu HardTanh
    Heaviside Histogram Hsplit Hstack Hypot I0 IFFT2 IRFFT ISTFT Imag InTopK Inner Inv IsIn
    Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal JVP Kron LayerNorm Lcm Ldexp LeakyRelu
    LeftShift Less LessEqual Linspace Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp
    Logaddexp2 Logdet LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Logsumexp Lstsq
    LuFactor Map MapCoordinates Matmul MatrixRank Max MaxPool Maximum Mean Median Meshgrid Min
    Minimum Mish Mod Moments Moveaxis MultiHot Multiply NanToNum Nanargmax Nanargmin Nancumprod
    Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum
    Nanvar Ndim Negative Nextafter Nonzero Norm Normalize NotEqual OneHot OnesLike Outer PSNR
    Pad PadImages Percentile PerspectiveTransform Pinv Polar Power Prod Ptp Qr Quantile RFFT
    RGBToGrayscale RGBToHSV RMSNorm Rad2deg Ravel ReLU Real Rearrange Reciprocal Relu Relu6
    Repeat Reshape Resize RightShift Roll Rot90 Round Rsqrt SSIM STFT SVD SaturateCast
    ScaleAndTranslate Scan Scatter ScatterUpdate SearchSorted SegmentMax SegmentMin SegmentProd
    SegmentReduction SegmentSum Select Selu SeparableConv Sigmoid Sign Signbit Silu Sin Sinc
    Sinh Size Slice SliceUpdate Slogdet SobelEdges SoftShrink Softmax Softplus Softsign Solve
    SolveTriangular Sort SpaceToDepth SparseCategoricalCrossentropy SparsePlus SparseSigmoid
    Sparsemax Split Sqrt Square Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes
    Switch Take TakeAlongAxis Tan Tanh TanhShrink Tensordot Threshold Tile TopK Trace Transpose
    Trapezoid Tril Triu TrueDivide Trunc Unfold Unique UnravelIndex Unstack Vander Var Vdot
    VectorizedMap View ViewAsComplex ViewAsReal Vsplit Vstack Where WhileLoop ZerosLike
    """.split()  # noqa: SIM905
)
"""Operations of Keras 3 that stand in a model as layers do, by class name."""

APPLICATION_LAYERS: Mapping[str, tuple[str, frozenset[str]]] = {
    "Custom>CustomScaleLayer": ("inception_resnet_v2", frozenset({"scale"})),
    "CustomScaleLayer": ("inception_resnet_v2", frozenset({"scale"})),
    "LayerScale": ("convnext", frozenset({"init_values", "projection_dim"})),
    "StochasticDepth": ("convnext", frozenset({"drop_path_rate"})),
}
"""Layers of the models in ``keras.applications``: the module below it, and what they are made with.

Keras exports none of them. Keras 2 registers one as if it were a person's. Source:
``keras/src/applications/convnext.py`` and ``inception_resnet_v2.py``, likewise of ``tf_keras``.
"""

_OF_EVERY_LAYER = {"activity_regularizer", "batch_input_shape", "dtype", "name", "trainable"}
_MODULES = re.compile(r"(keras|tf_keras|tensorflow(\.python)?\.keras)(\..+)?")


def is_own(value: Mapping[str, Any]) -> bool:
    """Whether the class of a layer's config is Keras's own, not a person's of the same name.

    Newer files say by ``module`` where the class comes from, and by ``registered_name`` as what it
    was registered; older ones have the class name alone, such as ``Custom>Dense``. Source:
    ``serialize_keras_object`` in ``keras/src/saving/serialization_lib.py``.
    """
    if is_application_layer(value):
        return True
    if ">" in as_text(value.get("class_name")) or ">" in as_text(value.get("registered_name")):
        return False
    if "module" in value:
        return _MODULES.fullmatch(as_text(value["module"])) is not None
    return value.get("class_name") in LAYERS or is_operation(value)


def is_application_layer(value: Mapping[str, Any]) -> bool:
    """Whether a layer's config is that of one of `APPLICATION_LAYERS`.

    Others call their layers so too: without a module, what it is made with has to be the same.
    """
    found = APPLICATION_LAYERS.get(as_text(value.get("class_name")))
    registered = value.get("registered_name")
    if found is None or (registered and APPLICATION_LAYERS.get(as_text(registered)) != found):
        return False
    home, settings = found
    if "module" in value:
        module = as_text(value["module"])
        return _MODULES.fullmatch(module) is not None and module.endswith(f".applications.{home}")
    return as_mapping(value.get("config")).keys() - _OF_EVERY_LAYER == settings


def is_operation(value: Mapping[str, Any]) -> bool:
    """Whether a layer's config is that of an operation of Keras 3, some of which are called as
    layers are: unlike these they cannot be trained, and their calls are written as in Keras 3.
    """
    nodes = value.get("inbound_nodes")
    is_called = isinstance(nodes, list) and any(as_mapping(node).get("args") for node in nodes)
    is_layer = "trainable" in as_mapping(value.get("config"))
    return is_called and not is_layer and value.get("class_name") in OPERATIONS
