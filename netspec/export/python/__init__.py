"""A network as the text of a Python program that needs nothing but NumPy."""
