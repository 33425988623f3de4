"""The version of layda."""

__version__ = "0.1.0"
