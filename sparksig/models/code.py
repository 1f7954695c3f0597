"""The Python modules stored with a model: visible while the model is loaded or called, and only to that model.

Two models can have modules of the same name, such as two versions of one project. Python knows one module per name, so
a model's modules are put into `sys.modules` when its code runs, and taken out afterwards. An import inside `predict`
finds the model's own code in the same way.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from sparksig.errors import ModelLoadError, Problem

lock = RLock()
"""Held while models are loaded, and while a model with modules of its own is called: `sys.modules` is global."""

_SUFFIXES = (".py", *EXTENSION_SUFFIXES)
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")

_active: list[ModelCode] = []  # the models whose code runs, one calling the next


class ModelCode:
    """The modules in a model's code folder."""

    def __init__(self, folder: Path) -> None:
        """Find the modules.

        Args:
            folder: the code folder, in the model's private copy.

        Raises:
            ModelLoadError: an installed package of the same name, with other contents, is loaded in this process.
        """
        self.folder = str(folder)
        self.modules: dict[str, ModuleType] = {}
        names, clashes = set(), []
        for name, files in _modules(folder):
            loaded = sys.modules.get(name)
            if loaded is None or not _is_installed(name, loaded):
                names.add(name)
            elif not _is_same(loaded, folder, files):
                fact = "the model has a module of this name, and an installed package of that name is loaded"
                clashes.append(Problem(name, fact, hint="rename the module, or load the model in another environment"))
        if clashes:
            raise ModelLoadError("the model's code cannot replace installed packages", clashes)
        self.names = frozenset(names)
        importlib.invalidate_caches()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let imports find the model's modules, and no other modules of their names."""
        with lock:
            if _active and _active[-1] is self:
                yield
                return
            if _active:
                _active[-1].modules = _active[-1]._loaded()
            hidden = self._loaded()
            self._replace(hidden, self.modules)
            sys.path.insert(0, self.folder)
            sys.meta_path.insert(0, self)
            _active.append(self)
            try:
                yield
            finally:
                _active.pop()
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                if self.folder in sys.path:
                    sys.path.remove(self.folder)
                self.modules = self._loaded()
                self._replace(self.modules, hidden)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Find a module for Python's import system; folders without `__init__.py` are packages, too."""
        if path is not None or name not in self.names:
            return None
        spec = PathFinder.find_spec(name, [self.folder])
        if spec is not None and spec.loader is None:  # only this folder, not those of the same name elsewhere
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(Path(self.folder, name))]
        return spec

    def _loaded(self) -> dict[str, ModuleType]:
        return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in self.names}

    @staticmethod
    def _replace(old: dict[str, ModuleType], new: dict[str, ModuleType]) -> None:
        for name in old:
            sys.modules.pop(name, None)
        sys.modules.update(new)


def _modules(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The modules and packages in a folder, with their files."""
    for entry in sorted(folder.iterdir()):
        files = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
        files = [path for path in files if path.name.endswith(_SUFFIXES)]
        name = entry.name.partition(".")[0]
        if files and name.isidentifier() and name not in ("__main__", "__init__", "__pycache__"):
            yield name, files


def _is_installed(name: str, module: ModuleType) -> bool:
    """Whether a loaded module belongs to Python or to an installed package, which other code relies on."""
    if name in sys.stdlib_module_names or name == __package__.partition(".")[0]:
        return True
    file = getattr(module, "__file__", None)
    return file is not None and any(Path(file).is_relative_to(sysconfig.get_path(kind)) for kind in _INSTALLED)


def _is_same(module: ModuleType, folder: Path, files: Sequence[Path]) -> bool:
    """Whether a loaded module has the same files as the one in the folder."""
    if (file := getattr(module, "__file__", None)) is None:
        return False
    loaded = Path(file)
    root = loaded.parent.parent if loaded.name == "__init__.py" else loaded.parent
    try:
        return all((root / path.relative_to(folder)).read_bytes() == path.read_bytes() for path in files)
    except OSError:
        return False
