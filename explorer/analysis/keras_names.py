"""What Keras itself brings, in every line from 1 to 3, by the names that a config uses."""

from __future__ import annotations

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

TENSORFLOW_FUNCTIONS = {
    "crelu_v2": "tf.nn.crelu",
    "log_softmax_v2": "tf.nn.log_softmax",
    "softmax_v2": "tf.nn.softmax",
}
"""Activations of TensorFlow that Keras writes, but does not find, by the names of their code."""
