"""The arenas of the laws, and a harder clock: a stalled statement ends by its caller's deadline, at once."""

from __future__ import annotations

from tests.laws.conftest import arena, examples, pytest_generate_tests

__all__ = ["arena", "examples", "pytest_generate_tests"]
