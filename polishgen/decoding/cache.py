"""Where compiled code is kept: compiled once per processor and version of Numba and this folder.

Numba's own cache looks at a function's file alone and would miss a change in a file that it calls
into, so the cache lies in a folder that is named after the sources of all. It is inside the package
where that is writable, else in the user's cache folder; where neither is, code is compiled anew in
every process.
"""

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding
import numba

SOURCES = Path(__file__).parent


def cache_folder() -> Path | None:
    """The folder for these sources, made if missing; None where nothing is writable."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.binding.get_host_cpu_name()}".encode())
    for path in sorted(SOURCES.glob("*.py")):
        digest.update(path.read_bytes())
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for parent in (SOURCES / "__pycache__", user / "polishgen"):
        folder = parent / f"compiled-{digest.hexdigest()[:16]}"
        try:
            if not folder.is_dir():
                for outdated in parent.glob("compiled-*"):
                    shutil.rmtree(outdated, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


FOLDER = cache_folder()
# Numba's setting is the process's, and models are loaded side by side.
declaring = threading.Lock()


def compiled(function: Callable) -> Callable:
    """`function` compiled at its first call, or fetched from the cache; runs without the GIL.

    Sums may be taken in any order, but NaN and infinity keep their meaning.
    """
    with declaring:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(FOLDER or "")
        try:
            return numba.njit(
                function,
                cache=FOLDER is not None,
                nogil=True,
                error_model="numpy",
                fastmath={"reassoc", "contract", "arcp", "nsz", "afn"},
            )
        finally:
            numba.config.CACHE_DIR = before
