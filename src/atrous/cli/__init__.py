"""The command `atrous`: argument parsing and messages only."""

from atrous.cli.app import main

__all__ = ["main"]
