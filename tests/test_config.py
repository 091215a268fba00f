"""What show_config prints and returns, the number of threads, and what a mismatch of versions says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import bpnative as bp


def test_dict():
    config = bp.show_config("dict")
    assert config["isa"] in config["isa_available"]
    assert set(config["isa_available"]) <= set(config["isa_compiled"])
    assert config["version"] == bp.__version__
    assert config["numpy"] == np.__version__
    assert config["threads"] == bp.get_num_threads()
    assert config["isa_reason"]
    assert config["threads_reason"]


def test_print(capsys):
    assert bp.show_config() is None
    printed = capsys.readouterr().out
    config = bp.show_config("dict")
    for fact in (config["isa"], config["isa_reason"], config["threads_reason"], config["processor"], np.__version__):
        assert fact in printed
    assert printed.startswith(f"bpnative {bp.__version__}\n  instruction set  ")


def test_unknown_mode():
    with pytest.raises(ValueError, match="expected mode as 'print' or 'dict', got 'json'"):
        bp.show_config("json")


def test_threads():
    default = bp.get_num_threads()
    bp.set_num_threads(np.int64(3))
    assert bp.get_num_threads() == 3
    assert bp.show_config("dict")["threads"] == 3
    bp.set_num_threads(0)
    assert bp.get_num_threads() == default
    for wrong, error in ((-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)):
        with pytest.raises(error, match="number of threads"):
            bp.set_num_threads(wrong)


def test_another_version_of_the_compiled_module_is_refused():
    code = (
        "import sys, types\n"
        "module = types.ModuleType('bpnative._version')\n"
        "module.__version__ = '99.0'\n"
        "sys.modules['bpnative._version'] = module\n"
        "import bpnative\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ImportError: bpnative 99.0 found its compiled module of version" in result.stderr
