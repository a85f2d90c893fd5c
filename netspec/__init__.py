"""netspec: a declarative network compiler."""

__version__ = "0.1.0"
