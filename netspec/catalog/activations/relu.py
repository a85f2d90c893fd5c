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
