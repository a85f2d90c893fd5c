"""Rectifiers; where two pieces meet, the derivative is that of the piece below."""

from netspec.catalog.activations.activation import activation

relu = activation(
    "relu",
    formula="max(x, 0)",
    reference="Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
)

relu6 = activation(
    "relu6",
    formula="min(max(x, 0), 6)",
    reference="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
)

leaky_relu = activation(
    "leaky_relu",
    formula="where(x > 0, x, slope * x)",
    reference="Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models",
    slope=0.01,
)

# The root of the sigmoid is written exp(log(sigmoid(x)) / 2): far below 0 the derivative of a root would be 1 / 0.
noisy_relu = activation(
    "noisy_relu",
    formula="max(0, x + normal() * sqrt(sigmoid(x)))",
    stable="max(x + normal() * exp(-softplus(-x) / 2), 0)",
    reference="Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines; noise of variance "
    "sigmoid(x) is drawn in training only, and the gradient goes through its scale too",
)
