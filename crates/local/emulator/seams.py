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
        wrapped = functools.wraps(original)(functools.partial(replacement, original))
        for module in modules:
            if getattr(module, name) is not original:
                raise RuntimeError(f"{module.__name__}.{name} is not the function this launcher knows")
            setattr(module, name, wrapped)
        return replacement

    return decorate


def instead(name: str, *modules: ModuleType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function in place of ``name``."""

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(modules[0], name)
        for module in modules:
            if getattr(module, name) is not original:
                raise RuntimeError(f"{module.__name__}.{name} is not the function this launcher knows")
            setattr(module, name, replacement)
        return replacement

    return decorate
