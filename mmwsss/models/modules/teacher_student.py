"""Teachers whose weights are the moving average of a student's."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class TeacherStudent:
    """Couples the teachers of a model to the students whose weights they average.

    ``teacher = momentum * teacher + (1 - momentum) * student`` over all parameters; buffers, such
    as running statistics, are those of the student. Teachers get no gradient. Updates are explicit:
    the model's ``update_teacher()`` calls :meth:`update`, and
    :class:`~mmwsss.engine.hooks.TeacherEMAHook` calls that after every training step.

    If a checkpoint has no teacher weights, such as a released checkpoint of a single network, the
    teacher gets the weights of the student.

    Args:
        model: Model that contains teachers and students.
        pairs: ``{name of a teacher: name of its student}``, dotted names of submodules of ``model``
            with the same architecture.
        momentum: In [0,1].

    Raises:
        ValueError: ``momentum`` is outside [0,1].
    """

    def __init__(self, model: nn.Module, pairs: Mapping[str, str], momentum: float) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must be between 0 and 1, got {momentum}')
        self.model = model
        self.pairs = dict(pairs)
        self.momentum = momentum
        for teacher, _ in self.modules():
            teacher.requires_grad_(False)
        model.register_load_state_dict_pre_hook(self._fill)
        self.reset()

    def modules(self) -> list[tuple[nn.Module, nn.Module]]:
        """Pairs (teacher, student)."""
        find = self.model.get_submodule
        return [(find(teacher), find(student)) for teacher, student in self.pairs.items()]

    def reset(self) -> None:
        """Make every teacher a copy of its student."""
        for teacher, student in self.modules():
            teacher.load_state_dict(student.state_dict())

    @torch.no_grad()
    def update(self, momentum: float | None = None) -> None:
        """Move every teacher towards its student.

        Args:
            momentum: Momentum to use instead of that of the constructor; 0 copies.
        """
        momentum = self.momentum if momentum is None else momentum
        averages: list[Tensor] = []
        weights: list[Tensor] = []
        for teacher, student in self.modules():
            averages += teacher.parameters()
            weights += student.parameters()
            for buffer, source in zip(teacher.buffers(), student.buffers(), strict=True):
                buffer.copy_(source)
        torch._foreach_lerp_(averages, weights, 1 - momentum)

    def _fill(
        self, model: nn.Module, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        """Give teachers without weights in ``state_dict`` those of their students."""
        for teacher, student in self.pairs.items():
            if any(key.startswith(f'{prefix}{teacher}.') for key in state_dict):
                continue
            source = f'{prefix}{student}.'
            copies = {
                f'{prefix}{teacher}.{key.removeprefix(source)}': value
                for key, value in state_dict.items()
                if key.startswith(source)
            }
            state_dict.update(copies)
