"""The logistic function and its straight imitation."""

from netspec.catalog.activations.activation import activation

sigmoid = activation(
    "sigmoid",
    formula="1 / (1 + exp(-x))",
    stable="sigmoid(x)",
    reference="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
)

hard_sigmoid = activation(
    "hard_sigmoid",
    formula="max(0, min(1, x / 6 + 1 / 2))",
    reference="Howard et al. 2019, Searching for MobileNetV3; Courbariaux et al. 2015 use the slope 1/2",
)
