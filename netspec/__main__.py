"""`python -m netspec` is `netspec`."""

from netspec.cli.main import main

if __name__ == "__main__":
    main()
