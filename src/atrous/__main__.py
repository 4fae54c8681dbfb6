"""`python -m atrous` is the command `atrous`."""

from atrous.cli import main

main()
