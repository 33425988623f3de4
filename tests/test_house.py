"""The house rules that no linter knows: how the rooms import, how long files are, what importing layda costs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
PACKAGE = HOUSE / "src" / "layda"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 450
"""Lines in a file. About 400 is the aim; the rest is room for a table."""

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own interpreter, our own arguments
        [sys.executable, "-X", "utf8", *arguments],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def files_of_the_project() -> list[Path]:
    """What git tracks or would add; everything outside hidden and made folders where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  # git is found by name
            cwd=HOUSE, capture_output=True, text=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip
        paths = [HOUSE / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        made = {"out", "build", "dist", "htmlcov", "__pycache__"}
        kept = {".ci", ".github"}
        paths = [
            path
            for path in HOUSE.rglob("*")
            if not any(
                part in made or (part.startswith(".") and part not in kept)
                for part in path.relative_to(HOUSE).parts[:-1]
            )
        ]
    return [path for path in paths if path.is_file()]


@every_source
def test_a_room_never_imports_the_package_itself(path: Path) -> None:
    """Type-checking imports in ``__init__`` name the rooms for type checkers and editors; they never run."""
    if path == PACKAGE / "__init__.py":
        return
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [node.lineno for name in node.names if name.name == "layda"]
        elif isinstance(node, ast.ImportFrom):
            found += [node.lineno] if node.module == "layda" or node.level else []
    assert not found, f"{path.name}, lines {found}: import from the room that has it (layda.<room>)"


@every_source
def test_files_are_short(path: Path) -> None:
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= LONGEST, f"{path.name} has {count} lines; divide it by purpose"


def undocumented(body: list[ast.stmt], inside: str = "") -> list[str]:
    """The public functions and classes without a docstring, those of public classes included."""
    found = []
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        if not ast.get_docstring(node) and not decorators & {"overload", "override"}:
            found.append(inside + node.name)
        if isinstance(node, ast.ClassDef):
            found += undocumented(node.body, f"{inside}{node.name}.")
    return found


@every_source
def test_every_public_name_has_a_docstring(path: Path) -> None:
    tree = parsed(path)
    missing = undocumented(tree.body)
    if not ast.get_docstring(tree):
        missing.insert(0, "the module itself")
    assert not missing, f"{path.name}: no docstring for {', '.join(missing)}"


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(rb"(?<![\w.~>-])/(?:work|root|home/\w+|Users/\w+)/|[A-Z]:\\\\?Users\\", re.ASCII)
    found = []
    for path in files_of_the_project():
        found += [
            f"{path.relative_to(HOUSE)}:{number}: {line.strip()[:100]!r}"
            for number, line in enumerate(path.read_bytes().split(b"\n"), start=1)
            if place.search(line)
        ]
    assert not found, "\n".join(found)


def test_rooms_import_one_way() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    done = run_python("-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])")
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_layda_imports_numpy_and_the_standard_library_only() -> None:
    code = "import sys; old = set(sys.modules); import layda; print(*{m.split('.')[0] for m in set(sys.modules) - old})"
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    strangers = set(done.stdout.split()) - sys.stdlib_module_names - {"layda", "numpy"}
    assert not strangers, f"import layda also imports {sorted(strangers)}"


def test_the_run_environment_is_part_of_the_development_environment() -> None:
    """Every pin is written once: the development file takes in the other one."""
    pins = {name: (HOUSE / "requirements" / name).read_text(encoding="utf-8") for name in ("run.txt", "dev.txt")}
    names = {file: re.findall(r"^([a-z0-9-]+)==[\w.]+(?: *; .+)?$", text, re.MULTILINE) for file, text in pins.items()}
    assert "-r run.txt" in pins["dev.txt"].splitlines()
    assert not set(names["run.txt"]) & set(names["dev.txt"])
    for file, text in pins.items():
        lines = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
        assert len(lines) == len(names[file]), f"{file}: every line is an exact pin, name==version"
        assert lines == sorted(lines), f"{file} is in alphabetical order"
    ours = {"nvidia-cuda-nvrtc-cu12"}  # the compiler that [gpu] uses; PyTorch's builds bring their own of the others
    strangers = [name for file in names.values() for name in file if name.startswith("nvidia") or name == "torch"]
    assert not set(strangers) - ours


def test_ci_runs_the_tests() -> None:
    script = HOUSE / ".ci" / "run"
    assert "make test" in script.read_text(encoding="utf-8")
    assert os.name == "nt" or os.access(script, os.X_OK)
