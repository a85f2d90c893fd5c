"""Activations that only decide; their derivative is 0 everywhere, so only weights above them learn by gradient."""

from netspec.catalog.activations.activation import activation

step = activation(
    "step",
    formula="where(x >= 0, 1, 0)",
    stable="step(x)",  # which keeps a NaN
    reference="McCulloch & Pitts 1943, A logical calculus of the ideas immanent in nervous activity",
)

sign = activation(
    "sign",
    formula="where(x >= 0, 1, -1)",
    stable="sign(x)",
    reference="Rosenblatt 1958, The perceptron; sign(0) is 1, as in Hopfield networks",
)
