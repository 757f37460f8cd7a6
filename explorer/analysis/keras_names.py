"""What Keras itself brings, in every line from 1 to 3, by the names that a config uses."""

from __future__ import annotations

LAYERS = frozenset(
    """
    AbstractRNNCell Activation ActivityRegularization AdaptiveAveragePooling1D
    AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    AdaptiveMaxPooling3D Add AddLoss AddMetric AdditiveAttention AlphaDropout AtrousConvolution1D
    AtrousConvolution2D Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
    AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BaseRandomLayer BatchNormalization
    BatchNormalizationBase BatchNormalizationV1 BatchNormalizationV2 Bidirectional
    CategoryEncoding CenterCrop ClassMethod Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D ConvRecurrent2D Convolution1D
    Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D
    Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix
    Deconvolution2D Deconvolution3D Dense DenseFeatures DepthwiseConv1D DepthwiseConv2D
    DeviceWrapper Discretization Dot Dropout DropoutWrapper DynamicEmbedding DynamicLookup ELU
    EinsumDense Embedding Equalization Flatten FlaxLayer Functional GRU GRUCell GRUCellV1
    GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
    HashedCrossing Hashing Highway Identity InputLayer InputSpec InstanceMethod InstanceProperty
    IntegerLookup JaxLayer LSTM LSTMCell LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 Lambda Layer
    LayerNormalization LeakyReLU LinearModel LocallyConnected1D LocallyConnected2D Masking
    MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D
    Maximum MaxoutDense MelSpectrogram Merge Minimum MixUp Model MultiHeadAttention Multiply
    Normalization PReLU ParametricSoftplus Permute Pipeline RMSNormalization RNN RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
    RandomElasticTransform RandomErasing RandomFlip RandomFourierFeatures RandomGaussianBlur
    RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth
    RandomZoom ReLU RepeatVector Rescaling ResidualWrapper Reshape Resizing ReversibleEmbedding
    SReLU STFTSpectrogram SeparableConv1D SeparableConv2D SeparableConvolution1D
    SeparableConvolution2D Sequential SequenceFeatures SimpleRNN SimpleRNNCell SlicingOpLambda
    Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells StringLookup Subtract SyncBatchNormalization TFOpLambda
    TFSMLayer TensorFlowOpLayer TextVectorization ThresholdedReLU TimeDistributed
    TimeDistributedDense TorchModuleWrapper UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D WideDeepModel Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D _RNNCellWrapper
    """.split()  # noqa: SIM905 - one name per line is no easier to read
)
"""Layers and models, by class name."""

ACTIVATIONS = frozenset(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
    softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
    tanh_shrink threshold
    """.split()  # noqa: SIM905
)
"""Activation functions, by name."""

FUNCTIONS = ACTIVATIONS | frozenset(
    """
    acc accuracy auc bce binary_accuracy binary_crossentropy binary_focal_crossentropy
    binary_io_u categorical_accuracy categorical_crossentropy categorical_focal_crossentropy
    categorical_generalized_cross_entropy categorical_hinge ce celu circle
    concordance_correlation cosine cosine_similarity crossentropy ctc dice elu exponential
    f1_score f_beta_score false_negatives false_positives gelu glu hard_shrink hard_sigmoid
    hard_silu hard_swish hard_tanh hinge huber io_u kl_divergence kld
    kullback_leibler_divergence l1_l2 leaky_relu linear log_cosh log_cosh_error log_sigmoid
    log_softmax logcosh mae mape mean mean_absolute_error mean_absolute_percentage_error
    mean_io_u mean_metric_wrapper mean_squared_error mean_squared_logarithmic_error metric
    mish mse msle one_hot_io_u one_hot_mean_io_u pearson_correlation poisson precision
    precision_at_recall r2_score recall recall_at_precision relu relu6 root_mean_squared_error
    selu sensitivity_at_specificity sigmoid silu soft_shrink softmax softplus softsign
    sparse_categorical_accuracy sparse_categorical_crossentropy sparse_plus sparse_sigmoid
    sparse_top_k_categorical_accuracy sparsemax specificity_at_sensitivity squared_hinge
    squareplus sum swish tanh tanh_shrink threshold top_k_categorical_accuracy true_negatives
    true_positives tversky
    """.split()  # noqa: SIM905
)
"""Functions of every kind that a config names alone: losses, metrics, initializers and so on."""

OPTIMIZERS = frozenset(
    """
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer
    LossScaleOptimizerV3 MultiOptimizer Muon Nadam RMSprop SGD ScheduleFreeAdamW
    """.split()  # noqa: SIM905
)
"""Optimizers, by class name; Keras 2 registers its own as a person's, such as ``Custom>Adam``."""
