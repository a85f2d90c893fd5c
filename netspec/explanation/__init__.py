"""What netspec's words mean: the codes of diagnostics, and every kind that a spec can name.

The site and `netspec explain` show the same: the docstring and fields of a kind, and for a code its file in `codes/`.
"""
