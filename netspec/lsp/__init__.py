"""A language server for specs: what an editor asks about a text while it is written.

All but `netspec.lsp.server` knows nothing of the protocol: places are offsets into a text, in code points.
"""
