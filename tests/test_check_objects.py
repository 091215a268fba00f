"""tools/check_objects.py is itself held to account: each of its rules must fire on a tiny offending unit."""

import importlib.util
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPILER = shutil.which("g++") or shutil.which("c++")
KEPT = "#define KEPT __attribute__((used)) static\n"
GETTER = 'extern "C" const void* bpnative_kernels_v2() { return nullptr; }\n'

pytestmark = pytest.mark.skipif(
    COMPILER is None or shutil.which("nm") is None or platform.system() != "Linux",
    reason="needs a C++ compiler and binutils on Linux",
)
x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions are looked at on x86-64 only")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("check_objects", ROOT / "tools" / "check_objects.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def build(tmp_path):
    """Compile a source and return the object's path."""

    def compile_source(source, *flags, name="unit.o"):
        text = tmp_path / "unit.cpp"
        text.write_text(source)
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = [] if "-shared" in flags else ["-c"]
        command = [COMPILER, "-std=c++17", "-O2", "-fPIC", "-w", *mode, str(text), "-o", str(target), *flags]
        subprocess.run(command, check=True)
        return target

    return compile_source


def test_a_clean_unit_passes(tool, build):
    kernels = "namespace { float f(float x) { return x + 1; }\nconstexpr float (*table[])(float) = {f}; }\n"
    source = kernels + GETTER.replace("nullptr", "table")
    assert tool.check_kernel(build(source, "-fvisibility=hidden"), "v2") == []


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("int leaked(int x) { return x; }", "external symbols"),
        ("int leaked_data = 3;", "external symbols"),
        ("inline int merged(int x) { return x; }\nKEPT int (*p)(int) = merged;", "weak, unique"),
        ("template <class T> T twice(T x) { return x + x; }\ntemplate int twice<int>(int);", "weak, unique"),
        ("inline int counter() { static int n; return ++n; }\nKEPT int (*p)() = counter;", "weak, unique"),
        ("#include <vector>\nKEPT void f(std::vector<int>* v) { v->insert(v->begin(), 9, 0); }", "weak, unique"),
        ("#include <math.h>\nKEPT float f(float x) { return expf(x); }", "needs ['expf']"),
        ("KEPT int* f(int n) { return new int[n]; }", "needs ['_Znam'"),
        ("KEPT void f() { throw 1; }", "__cxa_throw"),
        ("KEPT float data[4];\nKEPT int start = [] { data[0] = 1; return *(volatile int*)data; }();", "runs at load"),
        ("KEPT thread_local int t = 1;", "thread-local"),
    ],
)
def test_each_rule_of_a_kernel_unit_fires(tool, build, source, finding):
    found = tool.check_kernel(build(KEPT + source + "\n" + GETTER), "v2")
    assert any(finding in text for text in found), found
    assert len(found) == (2 if "vector" in source else 1), "one fault, one finding"


def test_a_missing_or_misnamed_getter_is_found(tool, build):
    assert any("expected only bpnative_kernels_v3" in text for text in tool.check_kernel(build(GETTER), "v3"))
    assert any("external symbols none" in text for text in tool.check_kernel(build("static int x;"), "v2"))


ADD = "void add(float* y, const float* x) { for (int i = 0; i < 64; ++i) y[i] += x[i]; }"
SHIFT = "unsigned long shift(unsigned long x, int n) { return x << n; }"


@x86_only
@pytest.mark.parametrize(
    ("kind", "source", "flags", "fires"),
    [
        ("ordinary", ADD, ["-O3"], False),
        ("ordinary", ADD, ["-O3", "-mavx2"], True),
        ("ordinary", ADD, ["-O3", "-mavx512f", "-mprefer-vector-width=512"], True),
        ("ordinary", ADD, ["-O1", "-mavx"], True),
        ("ordinary", SHIFT, ["-mbmi2"], True),
        ("v2", ADD, ["-O3", "-march=x86-64-v2"], False),
        ("v2", ADD, ["-O3", "-mavx"], True),
        ("v3", ADD, ["-O3", "-march=x86-64-v3"], False),
        ("v3", ADD, ["-O3", "-mavx512f", "-mprefer-vector-width=512"], True),
        ("v4", ADD, ["-O3", "-mavx512f", "-mprefer-vector-width=512"], False),
    ],
)
def test_instructions_beyond_a_set_are_found(tool, build, kind, source, flags, fires):
    assert bool(tool.check_instructions(build(source, *flags), kind)) is fires


ENTRY = 'extern "C" void* PyInit__bpnative() { return nullptr; }\n'


def test_a_clean_module_passes(tool, build):
    source = ENTRY + 'extern "C" int bpnative_get_num_threads() { return 1; }'
    assert tool.check_module(build(source, "-shared", name="_bpnative.so")) == []


def test_the_rules_of_the_module_fire(tool, build):
    leaking = build(ENTRY + "int leaked() { return 1; }", "-shared", name="_bpnative.so")
    assert any("exports ['_Z6leakedv']" in text for text in tool.check_module(leaking))
    empty = build("static int x;", "-shared", name="_bpnative.so")
    assert any("does not export" in text for text in tool.check_module(empty))
    other = build("int other() { return 1; }", "-shared", "-Wl,-soname,libother.so.1", name="libother.so")
    needing = build(ENTRY, "-shared", "-Wl,--no-as-needed", str(other), name="_bpnative.so")
    assert any("libother.so.1" in text for text in tool.check_module(needing))


def test_a_build_folder_is_looked_at_as_a_whole(tool, build, tmp_path, capsys):
    with pytest.raises(SystemExit, match="expected a finished build"):
        tool.check_build(tmp_path)
    build(GETTER, name="CMakeFiles/bpnative_kernels_v2.dir/variant.cpp.o")
    build("int f() { return 1; }", name="CMakeFiles/bpnative_core.dir/core/cpu.cpp.o")
    build(ENTRY, "-shared", name="_bpnative.so")
    assert tool.main([str(tmp_path)]) == 0
    assert "3 objects looked at, 0 with findings" in capsys.readouterr().out
    build(GETTER + "int leaked;", name="CMakeFiles/bpnative_kernels_v2.dir/variant.cpp.o")
    assert tool.main([str(tmp_path)]) == 1
    assert "variant.cpp.o: external symbols" in capsys.readouterr().out
