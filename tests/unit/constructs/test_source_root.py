"""`constructs/` is a source root and no package: as one it would hide the PyPI package of that name."""

import ast
from pathlib import Path

import constructs

ROOT = Path(__file__).parents[3]


def test_folder_is_no_package() -> None:
    assert (ROOT / "constructs" / "gantry" / "__init__.py").is_file()
    assert not (ROOT / "constructs" / "__init__.py").exists()


def test_name_belongs_to_the_package_from_pypi() -> None:
    assert constructs.__file__ is not None
    assert ROOT / "constructs" not in Path(constructs.__file__).parents
    assert constructs.Construct.__module__ == "constructs"


def test_construct_library_knows_neither_stacks_nor_settings() -> None:
    for file in (ROOT / "constructs" / "gantry").rglob("*.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text()))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert not imported & {"app", "ops", "sandbox", "stacks"}, file
