"""Puts this folder on the path, so that tests of every room share `random_graphs` and `small_networks`."""
