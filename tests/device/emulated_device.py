"""An accelerator for tests on a CPU: tensors that claim to live on a device and hold their values
on the host.

The device is PyTorch's ``meta``; every operation on its tensors is run on the host instead. Three
kinds of events are recorded with the line of the product at which they happen:

- ``mix``: an operation takes tensors of both devices, an error on a real accelerator.
- ``wait``: the host waits for the device. Values that are read (``item``, ``tolist``, ``bool``,
  ``int``, a copy to the host), results whose size depends on values (``nonzero``, ``unique``,
  indexing with a mask), and blocking copies to the device: ``torch.tensor(..., device=)``,
  ``new_tensor``, ``to(device)`` without ``non_blocking``, indexing with a list or a host tensor.
- ``upload``: a copy to the device that does not wait, from pinned memory on a real one.

What the emulation cannot show: time, memory, other kernels and their rounding.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
PACKAGE = str(Path(__file__).resolve().parents[2] / 'mmwsss') + '/'
DEVICE = torch.device('meta')

READS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.unique_consecutive.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
    aten.equal.default,
    aten.is_nonzero.default,
}
MASK_INDEXING = {
    aten.index.Tensor: False,
    aten._unsafe_index.Tensor: False,
    # writing one number through a mask is a masked_fill
    aten.index_put.default: True,
    aten.index_put_.default: True,
    aten._index_put_impl_.default: True,
}
COPIES = {aten.copy_.default, aten._to_copy.default}
# operations that take no host scalar tensor beside device tensors
STRICT = {aten.cat.default, aten.stack.default, aten.mm.default, aten.bmm.default}


class Event(NamedTuple):
    """Something that happened between host and device.

    Attributes:
        kind (str): ``'mix'``, ``'wait'`` or ``'upload'``.
        operation (str): Of PyTorch.
        place (str): Innermost line of the package, or of whoever called.
    """

    kind: str
    operation: str
    place: str

    def __str__(self) -> str:
        return f'{self.kind}: {self.operation} at {self.place}'


class DeviceTensor(torch.Tensor):
    """A tensor on the emulated device; ``host`` holds its values."""

    host: Tensor

    @staticmethod
    def __new__(cls, host: Tensor) -> 'DeviceTensor':
        return torch.Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            layout=host.layout,
            device=DEVICE,
        )

    def __init__(self, host: Tensor) -> None:
        self.host = host

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f'DeviceTensor{tuple(self.shape)}'

    @classmethod
    def __torch_dispatch__(
        cls, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run(None, func, args, kwargs or {})


class EmulatedDevice:
    """Context in which :data:`DEVICE` computes.

    Attributes:
        device (torch.device): Where to put modules and tensors.
        events (list[Event]): What happened since the last :meth:`clear`.
        operations (Counter): Calls of each operation on the device, about the kernel launches.
        calls (list[tuple]): These calls in their order: operation, shapes of its tensors, numbers
            among its arguments. Steps with equal calls launch equal kernels.
    """

    def __init__(self) -> None:
        self.device = DEVICE
        self.events: list[Event] = []
        self.operations: Counter = Counter()
        self.calls: list[tuple] = []
        self._modes = (_Operations(self), _Functions(self))
        self._autocast = torch.autocast

    def __enter__(self) -> 'EmulatedDevice':
        for module in (torch, torch.amp, torch.amp.autocast_mode):
            module.autocast = _HostAutocast
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)
        for module in (torch, torch.amp, torch.amp.autocast_mode):
            module.autocast = self._autocast

    def clear(self) -> None:
        """Forget what happened."""
        self.events.clear()
        self.operations.clear()
        self.calls.clear()

    def of(self, kind: str) -> list[Event]:
        """Events of one kind."""
        return [event for event in self.events if event.kind == kind]

    def report(self, *kinds: str) -> str:
        """Events of some kinds with their number, the most frequent first."""
        counts = Counter(str(event) for event in self.events if event.kind in kinds)
        return '\n'.join(f'{number} x {text}' for text, number in counts.most_common())

    def put(self, module: nn.Module) -> nn.Module:
        """Move parameters and buffers of a module to the device, in place."""
        moved: dict[int, Tensor] = {}
        for part in module.modules():
            for name, value in part._parameters.items():
                if value is not None and not isinstance(value, DeviceTensor):
                    key = id(value)
                    if key not in moved:
                        moved[key] = nn.Parameter(
                            DeviceTensor(value.detach().clone()), value.requires_grad
                        )
                    part._parameters[name] = moved[key]
            for name, value in part._buffers.items():
                if value is not None and not isinstance(value, DeviceTensor):
                    part._buffers[name] = DeviceTensor(value.detach().clone())
            if hasattr(part, '_device'):  # MMEngine's preprocessors
                part._device = self.device
            if hasattr(part, 'avg_parameters'):  # MMEngine's averaged models
                part.avg_parameters = dict(part.module.named_parameters())
        return module


@pytest.fixture
def emulated_device() -> Iterable[EmulatedDevice]:
    """A device that is on during the test."""
    with EmulatedDevice() as device:
        yield device


class _Operations(TorchDispatchMode):
    """Runs and records every operation."""

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__()
        self.emulation = device

    def __torch_dispatch__(
        self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run(self.emulation, func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What PyTorch does in C++ before an operation is dispatched."""

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__()
        self.emulation = device

    def __torch_function__(
        self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and _is_device(kwargs.get('device')):
            if isinstance(args[0], DeviceTensor):
                return func(*args, **kwargs)
            device = kwargs.pop('device')
            return func(*args, **kwargs).to(device)  # blocks
        if func is torch.Tensor.new_tensor and isinstance(args[0], DeviceTensor):
            kwargs.pop('device', None)
            kwargs.setdefault('dtype', args[0].dtype)
            return torch.tensor(args[1], **kwargs).to(DEVICE)
        if func is torch.Tensor.tolist and isinstance(args[0], DeviceTensor):
            self.emulation.events.append(Event('wait', 'tolist', _place()))
            return args[0].host.tolist()
        if func is torch.Tensor.numpy and isinstance(args[0], DeviceTensor):
            raise TypeError(f'numpy() of a device tensor at {_place()}')
        if func is torch.Tensor.pin_memory:
            return args[0]
        return func(*args, **kwargs)


class _HostAutocast(torch.autocast):
    """Autocast of the emulated device is that of the CPU, which computes."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__('cpu' if device_type == DEVICE.type else device_type, *args, **kwargs)


def _run(emulation: EmulatedDevice | None, func: Callable, args: tuple, kwargs: dict) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
    asked = kwargs.get('device')
    on_device = _is_device(asked) if asked is not None else bool(ours)
    if emulation is not None and (ours or on_device):
        emulation.operations[str(func)] += 1
        numbers = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, (int, float))]
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        emulation.calls.append((str(func), shapes, tuple(numbers)))
        _record(emulation, func, args, kwargs, tensors, ours, on_device)
    if _is_device(asked):
        kwargs = dict(kwargs, device=torch.device('cpu'))
    if kwargs.get('pin_memory'):
        kwargs = dict(kwargs, pin_memory=False)
    result = func(*tree_map(_host, args), **tree_map(_host, kwargs))
    if func is aten.copy_.default or _is_in_place(func):
        return args[0] if args and result is not None else result
    if not on_device or not isinstance(result, (Tensor, tuple, list)):
        return result
    known = {id(tensor.host): tensor for tensor in ours}
    return tree_map(lambda value: _device_tensor(value, known), result)


def _record(
    emulation: EmulatedDevice,
    func: Callable,
    args: tuple,
    kwargs: dict,
    tensors: list[Tensor],
    ours: list[DeviceTensor],
    on_device: bool,
) -> None:
    def happens(kind: str, what: str = '') -> None:
        emulation.events.append(Event(kind, f'{func}{what}', _place()))

    theirs = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor)]
    if func in READS:
        happens('wait')
    elif func in MASK_INDEXING:
        indices = [index for index in args[1] if isinstance(index, Tensor)]
        one_number = MASK_INDEXING[func] and args[2].numel() == 1
        masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
        if masks and not one_number:
            happens('wait', ' with a mask')
        if any(not isinstance(index, DeviceTensor) for index in indices) and isinstance(
            args[0], DeviceTensor
        ):
            happens('wait', ' with an index on the host')
    elif func in COPIES:
        copied = func is aten.copy_.default
        source, target = (args[1], args[0]) if copied else (args[0], None)
        to_device = isinstance(target, DeviceTensor) if copied else on_device
        if isinstance(source, DeviceTensor) and not to_device:
            happens('wait', ' to the host')
        elif not isinstance(source, DeviceTensor) and to_device:
            quick = kwargs.get('non_blocking') or (copied and len(args) > 2 and args[2])
            # a host scalar that is written is an argument of a kernel
            if not (copied and source.dim() == 0):
                happens('upload' if quick else 'wait', '' if quick else ' that blocks')
    elif ours and theirs:
        wrong = [tensor for tensor in theirs if tensor.dim() > 0 or func in STRICT]
        if wrong:
            happens('mix', f' of {[tuple(tensor.shape) for tensor in wrong]} on the host')


def _place() -> str:
    """Line of the package, and of the library that it calls, that is being executed."""
    frame, library = sys._getframe(1), None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            line = f'{name[len(PACKAGE) - len("mmwsss/") :]}:{frame.f_lineno}'
            return line if library is None else f'{line} via {library}'
        if library is None and '/mm' in name and '/site-packages/' in name:
            library = f'{name.split("/site-packages/")[-1]}:{frame.f_lineno}'
        frame = frame.f_back
    return library or 'outside the package (backward, or a test)'


def _host(value: Any) -> Any:
    return value.host if isinstance(value, DeviceTensor) else value


def _device_tensor(value: Any, known: dict[int, DeviceTensor]) -> Any:
    if not isinstance(value, Tensor) or isinstance(value, DeviceTensor):
        return value
    return known[id(value)] if id(value) in known else DeviceTensor(value)


def _is_in_place(func: Callable) -> bool:
    name = func._schema.name
    return name.endswith('_') and not name.endswith('__')


def _is_device(device: Any) -> bool:
    return device is not None and torch.device(device).type == DEVICE.type
