"""The code of the docs and the examples, as a user's files: mypy and pyright in strict mode accept it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "notebook.md"]
EXAMPLES = sorted(set((ROOT / "examples").rglob("*.py")) - {ROOT / "examples" / "dlt_resource.py"})
"""But for that of a library that is not installed with the others."""
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def modules(tmp_path: Path) -> list[str]:
    """The code of each page as one module, and the examples, in a folder of the reader's, by their names."""
    written = []
    for page in PAGES:
        if page.stem == "data-frames" and find_spec("polars") is None:
            continue  # the types of libraries that are not there are not known
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        if blocks:
            module = tmp_path / f"{page.stem.lower().replace('-', '_')}.py"
            module.write_text("\n\n".join(blocks), encoding="utf-8")
            written.append(module.name)
    for path in EXAMPLES:
        module = (
            tmp_path
            / f"example_{path.relative_to(ROOT / 'examples').with_suffix('').as_posix().replace('/', '_')}.py"
        )
        module.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        written.append(module.name)
    assert {"readme.py", "notebook.py", "example_fastapi_backend_app.py"} <= set(written)
    return written


def checked(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a type checker in a folder, with the package found as if it were installed."""
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_in_strict_mode(tmp_path: Path, modules: list[str]) -> None:
    """`mypy --strict` has nothing to say; what it says of the package itself is not the user's."""
    cache = ROOT / ".mypy_cache" / "docs"
    options = ("--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={cache}")
    result = checked(tmp_path, "mypy", *options, *modules)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(300)
@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")
def test_pyright_in_strict_mode(tmp_path: Path, modules: list[str]) -> None:
    """Pyright in strict mode has nothing to say."""
    settings = {"include": modules, "typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    result = checked(tmp_path, "pyright", "--pythonpath", sys.executable)
    assert result.returncode == 0, result.stdout + result.stderr
