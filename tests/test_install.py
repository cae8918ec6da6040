"""What is imported is declared, and an installed package works."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def declared(file: Path) -> set[str]:
    """Names in a requirements file and in those that it includes."""
    names = set()
    for line in file.read_text().splitlines():
        if line.startswith("-r "):
            names |= declared(file.parent / line.removeprefix("-r "))
        elif line and line[0] not in "#-":
            names.add(name_of(line))
    return names


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize(
    ("code", "requirements"),
    [("polishgen", "requirements.txt"), ("training", "training/requirements.txt")],
)
def test_every_direct_import_is_declared(code, requirements):
    imported = set()
    for path in (ROOT / code).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - sys.stdlib_module_names - {"polishgen", "training"}
    distributions = packages_distributions()
    names = declared(ROOT / requirements)
    for module in foreign:
        assert names & {name_of(each) for each in distributions[module]}, module


def test_pytorch_comes_as_its_build_for_cpus_where_it_can():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    # Such an index adds to PyPI's: out of its reach pip takes what PyPI has.
    assert not any(line.startswith(("--index-url", "-i ")) for line in lines)
    assert "-r ../requirements.txt" in (ROOT / "training" / "requirements.txt").read_text()


def test_the_package_requires_what_the_requirements_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {name_of(each) for each in project["dependencies"]} == declared(
        ROOT / "requirements.txt"
    )


@pytest.mark.slow
def test_an_installed_package_has_a_command_and_says_where_models_come_from(tmp_path):
    source, out = tmp_path / "source", tmp_path / "installed"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "polishgen", source / "polishgen", ignore=ignored)
    for other in ("training", "checkpoints", "tests", "docs"):
        (source / other).mkdir()
    shutil.copy(ROOT / "pyproject.toml", source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*pip, source], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(out)
    ours = {path.relative_to(ROOT) for path in (ROOT / "polishgen").rglob("*") if path.is_file()}
    packed = {path.relative_to(out) for path in out.rglob("*")}
    assert {path for path in ours if "__pycache__" not in path.parts} <= packed
    (metadata,) = out.glob("*.dist-info")
    assert "polishgen = polishgen.__main__:main" in (metadata / "entry_points.txt").read_text()
    command = [sys.executable, "-P", "-m", "polishgen", "models"]
    run = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(out)}, capture_output=True, text=True
    )
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert "no models are bundled" in run.stderr and "user/repo" in run.stderr


def test_the_app_without_checkpoints_says_so_in_one_line(tmp_path):
    shutil.copytree(ROOT / "polishgen", tmp_path / "polishgen")
    shutil.copy(ROOT / "app.py", tmp_path)
    run = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 2 and run.stderr.count("\n") == 1, run.stderr
    assert "no models are bundled" in run.stderr
