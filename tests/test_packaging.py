"""What an installed bpnative promises as a package: one version, NumPy alone, typed, quiet and quick to import."""

import importlib.metadata
import importlib.resources
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bpnative
from bpnative import _bpnative as native
from reference_cases import run_child

ROOT = Path(__file__).resolve().parent.parent


def test_one_version():
    assert bpnative.__version__ == native.__version__ == importlib.metadata.version("bpnative")
    assert native.config()["version"] == bpnative.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(bpnative.__version__)}\b", changes, re.MULTILINE), "no entry in CHANGELOG.md"


def test_numpy_is_the_only_requirement():
    required = [text for text in importlib.metadata.requires("bpnative") or [] if "extra ==" not in text]
    assert [re.match(r"[\w.-]+", text)[0] for text in required] == ["numpy"]


def test_importing_brings_in_numpy_and_the_standard_library_alone():
    code = (
        "import sys; before = set(sys.modules); import bpnative\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    others = set(run_child(code).split()) - {"bpnative", "numpy", *sys.stdlib_module_names}
    # What the interpreter makes up for itself, such as pybind11_builtins, belongs to no distribution.
    distributed = importlib.metadata.packages_distributions()
    assert not {name for name in others if name in distributed}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads through /proc")
def test_importing_starts_no_thread():
    code = (
        "import os, numpy; before = len(os.listdir('/proc/self/task')); import bpnative\n"
        "print(len(os.listdir('/proc/self/task')) - before)"
    )
    assert run_child(code) == "0"


def test_importing_leaves_the_floating_point_mode_alone():
    code = (
        "import numpy as np; import bpnative\n"
        "assert np.float64(5e-324) * 1.0 != 0 and np.float32(1e-45) * np.float32(1) != 0\n"
        "print('subnormals kept')"
    )
    assert run_child(code) == "subnormals kept"


def test_the_package_is_typed():
    files = importlib.resources.files("bpnative")
    assert files.joinpath("py.typed").is_file()
    assert files.joinpath("_bpnative.pyi").is_file()


def test_the_command_is_installed():
    scripts = importlib.metadata.entry_points(group="console_scripts", name="bpnative")
    assert {script.value for script in scripts} == {"bpnative.__main__:main"}
    assert all(callable(script.load()) for script in scripts)


def test_public_names_exist_and_are_documented():
    assert len(set(bpnative.__all__)) == len(bpnative.__all__)
    values = {name: getattr(bpnative, name) for name in bpnative.__all__}
    assert not [name for name, value in values.items() if callable(value) and not value.__doc__]


def test_what_comes_later_is_there_and_a_wrong_name_suggests_the_nearest():
    code = "import bpnative as bp; assert 'to_c' in dir(bp); assert 'to_c' not in vars(bp); bp.to_c; bp.calibrat"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("has no attribute 'calibrat'. Did you mean: 'calibrate'?")
