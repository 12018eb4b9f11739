"""How the launcher reaches into MiniStack: named functions are wrapped in place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any


def around(name: str, *modules: ModuleType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function around ``name``; it is called with the original first.

    Several modules are given where MiniStack imports the same function by name into each of them.
    A name that is missing ends the start: it means that another MiniStack is installed.
    """

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(modules[0], name)
        _put(name, modules, original, functools.wraps(original)(functools.partial(replacement, original)))
        return replacement

    return decorate


def instead(name: str, *modules: ModuleType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function in place of ``name``."""

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        _put(name, modules, getattr(modules[0], name), replacement)
        return replacement

    return decorate


def _put(name: str, modules: tuple[ModuleType, ...], original: Callable[..., Any], new: Callable[..., Any]) -> None:
    for module in modules:
        if getattr(module, name) is not original:
            raise RuntimeError(f"{module.__name__}.{name} is not the function this launcher knows")
        setattr(module, name, new)
