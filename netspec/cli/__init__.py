"""The command line: it parses, calls `netspec.api` and prints."""
