"""Without scikit-learn `import bpnative` is whole, and `bpnative.sklearn` says what to install."""

import child

MISSING = """
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sklearn", "threadpoolctl"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
"""


def message(code: str) -> str:
    attempt = f"try:\n    {code}\nexcept ImportError as error:\n    print(error)"
    return child.run(MISSING + attempt)


def test_the_extra_is_named():
    assert message("import bpnative.sklearn").endswith("pip install 'bpnative[sklearn]'")


def test_the_controller_names_it_too():
    assert message("bp.threadpoolctl_controller.register()").endswith("pip install 'bpnative[sklearn]'")


def test_nothing_optional_is_imported():
    names = "('sklearn', 'scipy', 'threadpoolctl', 'joblib')"
    assert child.run(f"print([name for name in {names} if name in sys.modules])") == "[]"
