"""The rules of the code's rooms: who includes whom, how long a file is, how much one step takes to read."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "src" / "cpp"
PACKAGE = ROOT / "python" / "bpnative"

# ---- C++: who includes whom ----------------------------------------------------------------------------------------
# For each folder: the headers of ours that it may include, and the others ("std": any header of the standard library).
KERNEL_SYSTEM = r"stddef\.h|stdint\.h|immintrin\.h|arm_neon\.h"
MAY_INCLUDE = {
    "kernels": (r"kernels/\w+\.h", KERNEL_SYSTEM),
    "core": (r"core/\w+\.h|kernels/(table|\w+_arguments)\.h", "std"),
    "nn": (r"(nn|core)/\w+\.h|kernels/(table|\w+_arguments)\.h", "std"),
    "train": (r"(train|nn|core)/\w+\.h|kernels/(table|\w+_arguments)\.h", "std"),
    "bindings": (r"(bindings|train|nn|core)/\w+\.h|kernels/(table|\w+_arguments)\.h", r"std|pybind11/[\w/]+\.h"),
}
# Threads are started by the pool alone, and only train, the pool's user, works beside another thread. (A mutex that
# serves callers of one network in turn may stand anywhere but in the kernels.)
STARTING = re.compile(r"std::(jthread|thread|async)\b|pthread_create")
COOPERATING = re.compile(r"std::(condition_variable|atomic\w*|barrier|latch|future|promise)\b|core/thread_pool\.h")
MAY_COOPERATE = {"core", "train", "bindings"}
STANDARD = re.compile(r"[a-z0-9_]+(\.h)?|sys/\w+\.h|linux/\w+\.h")


def cpp_files() -> list[Path]:
    return sorted(path for path in CPP.rglob("*") if path.suffix in (".h", ".cpp"))


def ident(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", cpp_files(), ids=ident)
def test_who_includes_whom(path):
    room = path.relative_to(CPP).parts[0]
    assert room in MAY_INCLUDE, f"{room} is no room of the design; a new one needs a rule here"
    ours, system = MAY_INCLUDE[room]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        quote, header = match.groups()
        if quote == '"':
            assert re.fullmatch(ours, header), f"{ident(path)}:{number}: {room} may not include {header}"
            assert (CPP / header).is_file(), f"{ident(path)}:{number}: no such header {header}"
        else:
            standard = "std" in system.split("|") and STANDARD.fullmatch(header)
            assert standard or re.fullmatch(system, header), (
                f"{ident(path)}:{number}: {room} may not include <{header}>"
            )


@pytest.mark.parametrize("path", cpp_files(), ids=ident)
def test_layers_and_kernels_are_serial(path):
    code = re.sub(r"//.*", "", path.read_text())
    if path.parent.name not in MAY_COOPERATE:
        assert not COOPERATING.search(code), f"{ident(path)}: only core and train work beside other threads"
    if path.relative_to(CPP).with_suffix("").as_posix() != "core/thread_pool":
        assert not STARTING.search(code), f"{ident(path)}: only core/thread_pool starts threads"


@pytest.mark.parametrize("path", [path for path in cpp_files() if path.parent.name == "kernels"], ids=ident)
def test_kernels_hold_nothing_the_linker_could_share(path):
    code = re.sub(r"//.*", "", path.read_text())
    for word in ("std::", "static thread_local", "thread_local", " new ", "throw ", "try {", "virtual "):
        assert word not in code, f"{ident(path)}: `{word.strip()}` has no place in a kernel unit"


# ---- size ----------------------------------------------------------------------------------------------------------
LONGEST = 350
MAIN_PATH = [  # what one training step runs through, in the order of reading
    "python/bpnative/trainer.py",
    "python/bpnative/epoch.py",
    "src/cpp/bindings/bind_trainer.cpp",
    "src/cpp/train/engine.cpp",
    "src/cpp/nn/dense.cpp",
    "src/cpp/nn/loss.cpp",
    "src/cpp/nn/optimizer.cpp",
    "src/cpp/kernels/table.h",
    "src/cpp/kernels/gemm.h",
    "src/cpp/kernels/activations.h",
    "src/cpp/kernels/optim.h",
]
MOST_FILES, MOST_LINES = 11, 2000


def own_files() -> list[Path]:
    """Every text file of the project: what git knows, or in an unpacked sdist what is there."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        try:
            names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
            return sorted(ROOT / name for name in names if (ROOT / name).is_file())
        except (OSError, subprocess.CalledProcessError):
            pass
    skipped = {"build", "dist", ".venv", "venv", "__pycache__"}
    return sorted(path for path in ROOT.rglob("*") if path.is_file() and not skipped & set(path.parts))


def count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_is_long():
    folders, endings = ("src", "python", "tests", "benchmarks", "tools", "examples"), (".py", ".pyi", ".h", ".cpp", "")
    files = [path for path in own_files() if path.relative_to(ROOT).parts[0] in folders and path.suffix in endings]
    assert files
    long = {ident(path): count_lines(path) for path in files if count_lines(path) > LONGEST}
    assert not long, f"over {LONGEST} lines: {long}; cut each where a reader would"


def test_one_step_reads_in_an_hour():
    missing = [name for name in MAIN_PATH if not (ROOT / name).is_file()]
    assert not missing, f"MAIN_PATH names files that are gone: {missing}"
    total = sum(count_lines(ROOT / name) for name in MAIN_PATH)
    assert len(MAIN_PATH) <= MOST_FILES
    assert total <= MOST_LINES, f"a step's way is {total} lines, the budget is {MOST_LINES}"


def test_no_path_of_this_machine():
    places = {str(ROOT.parent), str(ROOT), str(Path.home()), sys.prefix} - {"/", "/usr", "/usr/local"}
    pattern = re.compile(r"(?<![\w./-])(" + "|".join(sorted(map(re.escape, places))) + r")/|/(home|Users)/\w+/")
    for path in own_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        match = pattern.search(text)
        assert match is None, f"{ident(path)} names a path of this machine: {match and match[0]}"


# ---- Python --------------------------------------------------------------------------------------------------------
def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, top_level_only: bool) -> list[str]:
    """Dotted names that a module imports, relative ones resolved; at top level, or anywhere."""

    def inside(node: ast.AST):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if top_level_only and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            yield child
            yield from inside(child)

    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in inside(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            origin = ".".join(filter(None, [base if node.level else "", node.module or ""]))
            found += [f"{origin}.{alias.name}" for alias in node.names]
    return found


# A package whose classes derive from another package's may import it; nobody else imports that package at top level.
MAY_IMPORT = {"bpnative.sklearn": {"sklearn", "scipy"}}


@pytest.mark.parametrize("path", modules(), ids=ident)
def test_only_numpy_is_imported_at_top_level(path):
    room = ".".join(module_name(path).split(".")[:2])
    allowed = {"bpnative", "numpy", *sys.stdlib_module_names, *MAY_IMPORT.get(room, ())}
    if room not in MAY_IMPORT:
        outer = [name for name in imports(path, top_level_only=True) if name.startswith(tuple(MAY_IMPORT))]
        assert not outer, f"{ident(path)} imports {outer} at top level, which import optional packages"
    others = [name for name in imports(path, top_level_only=True) if name.split(".")[0] not in allowed]
    assert not others, f"{ident(path)} imports {others} at top level; import an optional package where it is used"


ON_THE_PUBLIC_API = ("cli", "sklearn", "io", "plot")


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if module_name(path).partition("bpnative.")[2].startswith(ON_THE_PUBLIC_API)] or [None],
    ids=lambda path: path and ident(path),
)
def test_outer_modules_use_the_public_api(path):
    if path is None:
        pytest.skip("none of these modules yet")
    own = module_name(path).split(".")[1]
    for name in imports(path, top_level_only=False):
        parts = name.split(".")
        if parts[0] == "bpnative" and parts[1:2] != [own]:
            private = [part for part in parts if part.startswith("_") and not part.startswith("__")]
            assert not private, f"{ident(path)} imports {name}; it may use what every user may"
