"""Layers of every class of both Keras lines, with what they are called on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Shape = tuple[int | None, ...]
Case = tuple[Any, Shape] | tuple[Any, list[Shape]]
"""A layer, and the shape that it takes, without the batch, or several."""

VECTOR: Shape = (5,)
SEQUENCE: Shape = (6, 4)
OPEN: Shape = (None, 4)
IMAGE: Shape = (9, 8, 3)
FILM: Shape = (4, 8, 9, 3)

NEVER_CALLED = {
    *("AbstractRNNCell", "DenseFeatures", "FlaxLayer", "GRUCell", "InputLayer", "JaxLayer"),
    *("LSTMCell", "Layer", "SimpleRNNCell", "StackedRNNCells", "TFSMLayer", "TorchModuleWrapper"),
    *("Wrapper", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp"),
}
"""Parts of other layers, wrappers of other libraries, and layers that a functional model refuses
or that take no tensors alone.
"""


def cases(layers: Any) -> Iterator[Case]:
    """Every layer that a functional model may have."""
    for some in (_plain, _merging, _windows, _sizes, _recurrent, _wrappers, _attention):
        yield from some(layers)
    yield from _images(layers)
    if hasattr(layers, "MelSpectrogram"):
        yield from _only_in_keras_3(layers)
    else:
        yield from _only_in_keras_2(layers)


def archive_cases(layers: Any) -> Iterator[Case]:
    """Layers that Keras 3 cannot save to HDF5."""
    yield layers.RandomBrightness(0.1), IMAGE
    if hasattr(layers, "MelSpectrogram"):
        yield layers.Solarization(), IMAGE
        yield layers.RandomPosterization(4), IMAGE
        for name in ("ColorDegeneration", "Saturation", "Sharpness"):
            yield getattr(layers, f"Random{name}")(0.1), IMAGE


def _plain(layers: Any) -> Iterator[Case]:
    names = [
        *("ActivityRegularization", "BatchNormalization", "ELU", "Flatten", "Identity"),
        *("LayerNormalization", "LeakyReLU", "Masking", "Normalization", "PReLU", "ReLU"),
        *("Softmax", "UnitNormalization"),
    ]
    for name in names:
        yield getattr(layers, name)(), SEQUENCE
    yield layers.Activation("tanh"), VECTOR
    yield layers.AlphaDropout(0.1), VECTOR
    yield layers.Dense(3), VECTOR
    yield layers.Dense(3), OPEN
    yield layers.Dropout(0.1), IMAGE
    yield layers.EinsumDense("abc,cd->abd", (None, 5)), SEQUENCE
    yield layers.EinsumDense("...x,xy->...y", 5), IMAGE
    yield layers.EinsumDense("abc,cde->abde", (6, 2, 3)), SEQUENCE
    yield layers.Embedding(9, 2), VECTOR
    yield layers.Flatten(), OPEN
    yield layers.Flatten(), ()
    yield layers.GaussianDropout(0.1), VECTOR
    yield layers.GaussianNoise(0.1), VECTOR
    yield layers.GroupNormalization(2), SEQUENCE
    yield layers.Permute((2, 1)), SEQUENCE
    yield layers.RepeatVector(3), VECTOR
    yield layers.Rescaling(2.0), IMAGE
    yield layers.Reshape((2, -1, 3)), SEQUENCE
    yield layers.Reshape((-1, 2)), OPEN
    for rank, shape in enumerate((SEQUENCE, IMAGE, FILM), 1):
        yield getattr(layers, f"SpatialDropout{rank}D")(0.1), shape


def _merging(layers: Any) -> Iterator[Case]:
    for name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"):
        yield getattr(layers, name)(), [SEQUENCE, SEQUENCE]
        yield getattr(layers, name)(), [IMAGE, (1, 1, 3)]
        yield getattr(layers, name)(), [SEQUENCE, (4,)]
    yield layers.Add(), [VECTOR, VECTOR, (1,)]
    yield layers.Concatenate(), [SEQUENCE, SEQUENCE, (6, 1)]
    yield layers.Concatenate(1), [OPEN, SEQUENCE]
    yield layers.Dot(1), [VECTOR, VECTOR]
    yield layers.Dot((2, 1)), [SEQUENCE, (4, 3)]
    yield layers.Dot(-1), [SEQUENCE, (2, 4)]


def _windows(layers: Any) -> Iterator[Case]:
    for rank, shape in enumerate((SEQUENCE, IMAGE, FILM), 1):
        for name in ("Conv{}D", "Conv{}DTranspose"):
            kind = getattr(layers, name.format(rank))
            yield kind(2, 3), shape
            yield kind(2, 3, strides=2, padding="same"), shape
            yield kind(2, 2, padding="same", dilation_rate=2), shape
        for name in ("MaxPooling{}D", "AveragePooling{}D"):
            kind = getattr(layers, name.format(rank))
            yield kind(2), shape
            yield kind(3, strides=1, padding="same"), shape
        for name in ("GlobalMaxPooling{}D", "GlobalAveragePooling{}D"):
            kind = getattr(layers, name.format(rank))
            yield kind(), shape
            yield kind(keepdims=True), shape
        yield getattr(layers, f"ConvLSTM{rank}D")(2, 3), (3, *shape)
        yield getattr(layers, f"ConvLSTM{rank}D")(2, 3, return_sequences=True), (3, *shape)
        for name in () if rank == 3 else ("SeparableConv{}D", "DepthwiseConv{}D"):
            kind = getattr(layers, name.format(rank))
            yield (kind(2, 3, depth_multiplier=2) if "Sep" in name else kind(3)), shape
    yield layers.Conv1D(2, 3, padding="causal"), OPEN
    yield layers.Conv2D(2, (3, 1), strides=(1, 2), data_format="channels_first"), IMAGE
    yield layers.Conv2DTranspose(2, 3, strides=2, output_padding=1), IMAGE
    yield layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), IMAGE
    yield layers.MaxPooling2D((2, 3), data_format="channels_first"), IMAGE


def _sizes(layers: Any) -> Iterator[Case]:
    for rank, shape in enumerate((SEQUENCE, IMAGE, FILM), 1):
        for name in ("UpSampling", "ZeroPadding", "Cropping"):
            yield getattr(layers, f"{name}{rank}D")(), shape
    yield layers.Cropping1D((1, 2)), OPEN
    yield layers.ZeroPadding2D(((1, 2), (0, 3))), IMAGE
    yield layers.ZeroPadding2D((1, 2), data_format="channels_first"), IMAGE
    yield layers.UpSampling2D((2, 3)), IMAGE


def _recurrent(layers: Any) -> Iterator[Case]:
    for name in ("LSTM", "GRU", "SimpleRNN"):
        kind = getattr(layers, name)
        yield kind(3), SEQUENCE
        yield kind(3, return_sequences=True), OPEN
        yield kind(3, return_sequences=True, return_state=True), SEQUENCE
        yield layers.RNN(getattr(layers, f"{name}Cell")(3)), SEQUENCE
    stacked = layers.StackedRNNCells([layers.GRUCell(2), layers.LSTMCell(3)])
    yield layers.RNN(stacked, return_sequences=True), SEQUENCE


def _wrappers(layers: Any) -> Iterator[Case]:
    yield layers.Bidirectional(layers.LSTM(3)), SEQUENCE
    yield layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"), SEQUENCE
    yield layers.Bidirectional(layers.GRU(3), merge_mode=None), SEQUENCE
    yield layers.Bidirectional(layers.LSTM(3, return_state=True)), SEQUENCE
    yield layers.TimeDistributed(layers.Dense(3)), SEQUENCE
    yield layers.TimeDistributed(layers.TimeDistributed(layers.Conv1D(2, 3))), FILM
    yield layers.TimeDistributed(layers.Bidirectional(layers.LSTM(3))), IMAGE


def _attention(layers: Any) -> Iterator[Case]:
    for name in ("Attention", "AdditiveAttention"):
        yield getattr(layers, name)(), [SEQUENCE, SEQUENCE]
    yield layers.Attention(), [SEQUENCE, (3, 7), (3, 4)]


def whole_cases(layers: Any) -> Iterator[Case]:
    """Layers that take whole numbers."""
    is_3 = hasattr(layers, "MelSpectrogram")
    for shape in ((1,), (3,)):
        for mode in ("multi_hot", "count", *(["one_hot"] if is_3 or shape == (1,) else [])):
            yield layers.CategoryEncoding(4, output_mode=mode), shape
            yield layers.Discretization([0.0, 1.0], output_mode=mode), shape
            yield layers.IntegerLookup(vocabulary=[4, 5], output_mode=mode), shape
            yield layers.Hashing(4, output_mode=mode), shape
        yield layers.Hashing(4), shape
        yield layers.Discretization([0.0, 1.0]), shape
        yield layers.IntegerLookup(vocabulary=[4, 5]), shape
    yield layers.IntegerLookup(7, vocabulary=[4], output_mode="count", pad_to_max_tokens=True), (3,)
    yield layers.HashedCrossing(5), [(1,), (1,)]
    yield layers.HashedCrossing(5, output_mode="one_hot"), [(1,), (1,)]


def text_cases(layers: Any) -> Iterator[Case]:
    """Layers that take texts."""
    yield layers.StringLookup(vocabulary=["a", "b"]), (3,)
    yield layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot"), ()
    yield layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot"), (3,)
    yield layers.TextVectorization(vocabulary=["a"], output_mode="multi_hot"), ()
    yield layers.TextVectorization(vocabulary=["a"], output_mode="count"), (1,)
    yield layers.TextVectorization(vocabulary=["a"], output_sequence_length=5), (1,)
    yield layers.TextVectorization(vocabulary=["a"]), ()


def _images(layers: Any) -> Iterator[Case]:
    yield layers.CenterCrop(4, 5), IMAGE
    yield layers.RandomCrop(4, 5), IMAGE
    yield layers.Resizing(4, 12), IMAGE
    yield layers.RandomContrast(0.1), IMAGE
    yield layers.RandomFlip(), IMAGE
    yield layers.RandomRotation(0.1), IMAGE
    yield layers.RandomTranslation(0.1, 0.1), IMAGE
    yield layers.RandomZoom(0.1), IMAGE


def _only_in_keras_2(layers: Any) -> Iterator[Case]:
    yield layers.LocallyConnected1D(2, 3), SEQUENCE
    yield layers.LocallyConnected2D(2, 3), IMAGE
    yield layers.RandomHeight(0.1), IMAGE
    yield layers.RandomWidth(0.1), IMAGE
    yield layers.ThresholdedReLU(), VECTOR
    yield layers.LSTM(3, time_major=True, return_sequences=True), SEQUENCE
    yield layers.BatchNormalization(synchronized=True), IMAGE
    yield layers.Lambda(lambda x: x), VECTOR


def _only_in_keras_3(layers: Any) -> Iterator[Case]:
    for rank, shape in enumerate((SEQUENCE, IMAGE, FILM), 1):
        for kind in ("Average", "Max"):
            yield getattr(layers, f"Adaptive{kind}Pooling{rank}D")(2), shape
    plain = [
        *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "RandAugment"),
        *("RandomElasticTransform", "RandomErasing", "RandomGaussianBlur"),
        *("RandomGrayscale", "RandomInvert", "RandomPerspective", "RandomShear"),
    ]
    for name in plain:
        yield getattr(layers, name)(), IMAGE
    yield layers.RandomHue(0.1), IMAGE
    yield layers.RandomColorJitter(0.1), IMAGE
    yield layers.Pipeline([layers.Resizing(4, 5), layers.RandomFlip()]), IMAGE
    yield layers.Resizing(4, 5, data_format="channels_first"), IMAGE
    yield layers.RMSNormalization(), SEQUENCE
    yield layers.SpectralNormalization(layers.Conv2D(2, 3)), IMAGE
    yield layers.MelSpectrogram(), (16000,)
    yield layers.STFTSpectrogram(frame_length=64, expand_dims=True), (512, 1)
    yield layers.STFTSpectrogram(mode="stft", frame_step=20, padding="same"), (512, 2)
    yield layers.Lambda(lambda x: x[:, :4], output_shape=(4,)), VECTOR
    yield layers.Lambda(lambda x: x), VECTOR


def every_case(layers: Any) -> Iterator[Case]:
    """All of the above."""
    for some in (cases, whole_cases, text_cases, archive_cases):
        yield from some(layers)
