"""The commands: each file here is one, named as the file; its ``command`` is a `netspec.cli.group.Command`."""
