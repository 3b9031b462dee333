"""Assets of functions: the same wherever they are built, and nothing in them but what runs."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gantry.functions.python_asset import BundlingError, PythonSource

WHEEL = {
    "tiny/__init__.py": "",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny-1.0.dist-info/RECORD": "",
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    target = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    return target


def source_in(folder: Path) -> PythonSource:
    root = folder / "lambdas"
    for file, text in {
        "requirements.txt": "",
        "shared/common/__init__.py": "",
        "shared/common/roots.pem": "certificate",
        "greet/handler.py": "def handler(event, context): ...",
        "greet/__init__.py": "",
        "other/handler.py": "",
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return PythonSource(root=root, build_dir=folder / "build")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what pip installs for the functions of these tests, as long as they have the same packages."""
    source = source_in(tmp_path_factory.mktemp("installed"))
    source.build("greet")
    (packages,) = source.build_dir.glob("packages-*")
    return packages


@pytest.fixture
def source(tmp_path: Path, installed: Path) -> PythonSource:
    source = source_in(tmp_path)
    shutil.copytree(installed, source.build_dir / installed.name)
    return source


def names(zipped: Path) -> list[str]:
    with zipfile.ZipFile(zipped) as archive:
        return archive.namelist()


def test_asset_holds_the_function_and_what_all_share(source: PythonSource) -> None:
    assert names(source.build("greet").path) == [
        "common/__init__.py",
        "common/roots.pem",
        "greet/__init__.py",
        "greet/handler.py",
    ]


@pytest.mark.parametrize(
    "leftover", ["greet/__pycache__/handler.cpython-313.pyc", "greet/.mypy_cache/x", "shared/.DS_Store"]
)
def test_what_does_not_run_is_left_out(source: PythonSource, leftover: str) -> None:
    before = source.build("greet")
    (source.root / leftover).parent.mkdir(exist_ok=True)
    (source.root / leftover).write_text("x")
    assert source.build("greet") == before
    assert leftover not in names(before.path)


def test_two_machines_build_the_same_bytes(source: PythonSource, tmp_path: Path) -> None:
    elsewhere = PythonSource(root=tmp_path / "elsewhere", build_dir=tmp_path / "build-elsewhere")
    shutil.copytree(source.root, elsewhere.root, copy_function=shutil.copyfile)  # other times
    for file in elsewhere.root.rglob("*.py"):
        file.chmod(0o600)
    here, there = source.build("greet"), elsewhere.build("greet")
    assert here.path.read_bytes() == there.path.read_bytes()
    assert here.content_hash == there.content_hash


CHANGES: dict[str, Callable[[Path], object]] = {
    "its code": lambda root: (root / "greet" / "handler.py").write_text("changed"),
    "shared code": lambda root: (root / "shared" / "common" / "roots.pem").write_text("changed"),
    "a new file": lambda root: (root / "greet" / "more.py").write_text("new"),
    "a file that goes": lambda root: (root / "greet" / "__init__.py").unlink(),
    "a file that moves": lambda root: (root / "greet" / "__init__.py").rename(root / "greet" / "x.py"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_makes_another_asset(source: PythonSource, change: str) -> None:
    before = source.build("greet")
    CHANGES[change](source.root)
    after = source.build("greet")
    assert after.content_hash != before.content_hash
    assert after.path != before.path


def test_another_functions_code_changes_nothing(source: PythonSource) -> None:
    before = source.build("greet")
    (source.root / "other" / "handler.py").write_text("changed")
    assert source.build("greet") == before


def test_second_build_installs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_in(tmp_path)
    before = source.build("greet")
    monkeypatch.setattr("gantry.functions.python_asset.sys.executable", "/nowhere/python")
    assert source.build("greet") == before


def test_unknown_function_is_named(source: PythonSource) -> None:
    with pytest.raises(BundlingError, match="there is no function 'nobody'"):
        source.build("nobody")


def test_locked_package_is_in_the_asset_without_what_pip_notes_of_the_machine(
    source: PythonSource, wheel: Path
) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (source.root / "requirements.txt").write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    packaged = {name for name in names(source.build("greet").path) if name.startswith("tiny")}
    assert packaged == {"tiny/__init__.py", "tiny-1.0.dist-info/METADATA", "tiny-1.0.dist-info/WHEEL"}


def test_users_own_settings_of_pip_change_nothing(
    source: PythonSource, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (source.root / "requirements.txt").write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    for setting in ("PREFIX", "ROOT", "CONSTRAINT"):
        monkeypatch.setenv(f"PIP_{setting}", str(tmp_path / "elsewhere"))
    for setting in ("USER", "DRY_RUN", "REQUIRE_VIRTUALENV"):
        monkeypatch.setenv(f"PIP_{setting}", "1")
    assert "tiny/__init__.py" in names(source.build("greet").path)


def test_file_that_a_power_cut_left_empty_is_built_again(source: PythonSource) -> None:
    whole = source.build("greet")
    whole.path.write_bytes(b"")
    assert source.build("greet") == whole
    assert "greet/handler.py" in names(whole.path)


def test_package_without_a_hash_is_refused_with_pips_words(source: PythonSource, wheel: Path) -> None:
    (source.root / "requirements.txt").write_text(f"tiny @ {wheel.as_uri()}\n")
    with pytest.raises(BundlingError, match=r"requirements\.txt cannot be installed:(?s:.*)hash"):
        source.build("greet")


ROOT = Path(__file__).parents[4]
FUNCTIONS = sorted(handler.parent.name for handler in (ROOT / "lambdas").glob("*/handler.py"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_real_asset_is_small_without_what_the_runtime_brings_and_the_same_again(
    function: str, tmp_path: Path
) -> None:
    real = PythonSource(
        root=ROOT / "lambdas", build_dir=ROOT / ".gantry" / "build", packages=(ROOT / "contract",)
    )
    asset = real.build(function).path
    tops = {name.split("/")[0] for name in names(asset)}
    assert not tops & {"boto3", "botocore", "s3transfer"}
    assert {"pg8000", "gantry_runtime", function} <= tops
    assert asset.stat().st_size < 5_000_000
    for packages in real.build_dir.glob("packages-*"):
        (tmp_path / packages.name).symlink_to(packages)
    again = PythonSource(root=real.root, build_dir=tmp_path, packages=real.packages).build(function)
    assert again.path.read_bytes() == asset.read_bytes()
