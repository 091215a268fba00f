"""The version of bpnative: the one place that says it. pyproject.toml and CMakeLists.txt read this file."""

__version__ = "0.1.0"
