"""Answers to "what does the artifact hold?" from the tensors in it."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.formats.artifact import Role, Tensor, Tri


def has_role(tensors: Sequence[Tensor], role: Role) -> bool:
    """Whether any tensor plays this part."""
    return any(tensor.role is role for tensor in tensors)


def yes_if(answer: bool, otherwise: Tri = Tri.NO) -> Tri:
    """``YES`` or, without it, what is given."""
    return Tri.YES if answer else otherwise
