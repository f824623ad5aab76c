"""Reading a config the same way from every tool."""

import logging
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from mmwsss.utils.cli_options import settle_comma_lists
from mmwsss.utils.compat import revert_sync_batchnorm_off_ddp
from mmwsss.utils.package_files import PREFIX, find_config

from .inherited_settings import move_data_roots, settle_inherited

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
PREFETCHED = 4  # batches that each worker prefetches
FUSED_OPTIMIZERS = ('SGD', 'Adam', 'AdamW')


def load_config(
    config: str | Path | Config,
    *,
    cfg_options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
    extra_keys: Collection[str] = (),
    as_in_file: bool = False,
) -> Config:
    """Read a config file and apply the options of the command line.

    Args:
        config (str | Path | Config): File, or a config that is used unchanged.
        cfg_options (dict, optional): ``{'a.b': value}`` overrides; ``data_root`` changes the root
            of every data set of the config.
        work_dir (str | Path, optional): Default: ``work_dirs/<name of the config>``.
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``; ``'none'`` turns SyncBN
            into BN.
        extra_keys (Collection[str]): Top-level keys that the caller reads in addition to those of a
            runner; overrides of other keys are errors.
        as_in_file (bool): Leave out changes that depend on this machine and the number of
            processes.

    Without a GPU, SyncBN also becomes BN, processes communicate by gloo, and mixed precision, which
    MMEngine rejects on CPUs, becomes float32.

    Raises:
        FileNotFoundError: The config does not exist.
        ValueError: The config is not valid, or an override changes nothing. The message names it.
    """
    from mmengine.device import get_device  # imports PyTorch

    if not isinstance(config, Config):
        config = read_config(config)
    cfg_options = dict(cfg_options or {})
    import_custom(config, cfg_options)
    if cfg_options:
        _apply_options(config, cfg_options, extra_keys)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = str(work_dir)
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(config.filename or 'config').stem)
    if as_in_file:
        init_default_scope(config.get('default_scope', 'mmwsss'))
        return config
    without_gpu = get_device() in ('cpu', 'mps')
    if launcher == 'none' or without_gpu:
        revert_sync_batchnorm_off_ddp(config._cfg_dict)
    if without_gpu:
        _run_without_gpu(config)
    elif get_device() == 'cuda':
        _fuse_optimizer(config)
    for name in LOADERS:
        _feed(config.get(name), pinned=get_device() == 'cuda' and name == 'train_dataloader')
    if config.get('train_cfg') is not None:
        hooks = config._cfg_dict.setdefault('default_hooks', ConfigDict())
        hooks.setdefault('runtime_info', ConfigDict(type='mmwsss.DeferredInfoHook'))
    init_default_scope(config.get('default_scope', 'mmwsss'))
    return config


def read_config(path: Path | str) -> Config:
    """Read a config file; ``data_root`` and ``num_classes`` replace inherited values
    (:func:`~mmwsss.apis.inherited_settings.settle_inherited`).

    Raises:
        FileNotFoundError: The config does not exist.
        ValueError: The config is not valid. The message names it.
    """
    if str(path).startswith(PREFIX):
        path = find_config(str(path))
    if not Path(path).is_file():
        path = _moved_config(Path(path))
    try:
        # `import_custom` also finds modules next to the config
        config = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # noqa: BLE001  a config is Python and may raise anything
        raise ValueError(f'{path}: not a valid config ({type(error).__name__}: {error})') from error
    settle_inherited(config, path)
    import_custom(config, {})
    return config


def _moved_config(path: Path) -> Path:
    """Find a config that has moved into a subfolder by its former path; a log message reports it.

    Raises:
        FileNotFoundError: No config below that folder has the name, or several have it.
    """
    found = sorted(path.parent.glob(f'*/{path.name}')) if path.suffix == '.py' else []
    found = [file for file in found if file.parent.name not in ('pipelines', '_base_')]
    if len(found) != 1:
        raise FileNotFoundError(f'{path}: config not found; the configs are listed in configs/')
    print_log(
        f'{path}: moved to {found[0]}, which is read', logger='current', level=logging.WARNING
    )
    return found[0]


def import_custom(config: Config, options: dict[str, Any]) -> None:
    """Import the modules of ``custom_imports``, which register components from outside the
    package.

    ``custom_imports`` is MMEngine's ``dict(imports=[...], allow_failed_imports=False)`` or, for
    short, the name of a module or a list of names. Modules are found on the Python path, in the
    current folder and in that of the config.

    Args:
        config: Config whose ``custom_imports`` are extended by those of the options, so that the
            config of a run lists all of them.
        options: Overrides ``{'a.b': value}``; entries for ``custom_imports`` are taken out.

    Raises:
        ValueError: A module cannot be imported; the message names it and the error.
    """
    given = {
        key: options.pop(key) for key in list(options) if key.partition('.')[0] == 'custom_imports'
    }
    modules = custom_modules(config.get('custom_imports'), *given.values())
    if not modules:
        return
    if given:
        config.custom_imports = dict(imports=modules, allow_failed_imports=False)
    folders = [Path.cwd(), *([Path(config.filename).resolve().parent] if config.filename else [])]
    sys.path.extend(str(folder) for folder in folders if str(folder) not in sys.path)
    optional = getattr(config.get('custom_imports'), 'allow_failed_imports', False)
    for name in modules:
        try:
            import_module(name)
        except ImportError as error:
            if not optional:
                raise ValueError(
                    f'{config.filename or "--cfg-options"}: custom_imports: {name} cannot be '
                    f'imported ({error}); it is searched on the Python path, in '
                    f'{" and in ".join(map(str, folders))}'
                ) from error


def custom_modules(*entries: Any) -> list[str]:
    """Names of the modules in ``custom_imports``, each once.

    Args:
        *entries: Values of ``custom_imports``, in one of its forms or None.
    """
    names = chain.from_iterable(map(_module_names, entries))
    return list(dict.fromkeys(names))


def _module_names(entry: Any) -> list[str]:
    """Names in ``custom_imports`` in one of its forms."""
    if isinstance(entry, dict):
        entry = entry.get('imports')
    if isinstance(entry, str):
        return [entry]
    return list(entry or ())


def override(config: Config, options: Mapping[str, Any]) -> None:
    """Merge ``{'a.b': value}`` overrides into a config.

    Raises:
        ValueError: The overrides do not fit the config. The message names both.
    """
    options = settle_comma_lists(options, config)
    try:
        config.merge_from_dict(options)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(
            f'{config.filename}: these overrides do not fit it: {" ".join(options)} ({message})'
        ) from error


def _apply_options(
    config: Config, cfg_options: Mapping[str, Any], extra_keys: Collection[str]
) -> None:
    """Apply the overrides of the command line, each of which must have an effect."""
    from .overrides import check_overrides  # imports PyTorch and the registries

    cfg_options = settle_comma_lists(cfg_options, config)
    before = config.get('data_root')
    check_overrides(config, cfg_options, extra_keys=extra_keys)
    override(config, cfg_options)
    if 'data_root' in cfg_options:
        stale = set() if before is None else {before}
        moved = move_data_roots(config._cfg_dict, stale, str(cfg_options['data_root']))
        if not moved:
            raise ValueError(
                f'{config.filename}: the override data_root changes nothing: no data set of the '
                f'config lies in its data_root ({before}); override '
                f'train_dataloader.dataset.data_root and the others'
            )


def _run_without_gpu(config: Config) -> None:
    if config.launcher != 'none':
        config.merge_from_dict(dict(env_cfg=dict(dist_cfg=dict(backend='gloo'))))
        config._cfg_dict.setdefault(
            'model_wrapper_cfg',
            dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=config.get('find_unused_parameters', False),
            ),
        )
    wrapper: Any = config.get('optim_wrapper') or {}
    if str(wrapper.get('type', '')).endswith('AmpOptimWrapper'):
        wrapper.type = 'mmengine.OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)


def _feed(loader: Any, *, pinned: bool) -> None:
    """Let a data loader prefetch: with persistent workers and batches in pinned memory."""
    if not isinstance(loader, dict):
        return
    if loader.get('num_workers', 0) > 0:
        loader.setdefault('persistent_workers', True)
        loader.setdefault('prefetch_factor', PREFETCHED)
    if pinned:
        loader.setdefault('pin_memory', True)
        loader.setdefault('collate_fn', ConfigDict(type='mmwsss.stack_collate'))


def _fuse_optimizer(config: Config) -> None:
    """Use a fused optimizer, which can also skip a step without waiting for its gradients. The
    update rule is the same; sums are rounded in a different order.
    """
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    if optimizer.get('type') in FUSED_OPTIMIZERS and 'foreach' not in optimizer:
        optimizer.setdefault('fused', True)


@contextmanager
def build_errors_named(config: Config) -> Iterator[None]:
    """Turn the exceptions of registries and constructors for an invalid entry into one line.

    Raises:
        ValueError: Replaces TypeError, KeyError and AssertionError. The message names the config.
    """
    try:
        yield
    except (TypeError, KeyError, AssertionError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        file = getattr(config, 'filename', None) or 'config'
        raise ValueError(
            f'{file}: cannot be built: {message} (MMWSSS_DEBUG=1 shows where)'
        ) from error


def require_sections(config: Config, *names: str) -> None:
    """Reject a config that lacks entries which a tool needs, before anything is built from it.

    Args:
        config: Config from :func:`load_config`.
        names: Top-level entries; the data set of a data loader and its pipeline are checked too.

    Raises:
        ValueError: An entry is missing or is not a ``dict(...)``. The message names the file.
    """
    file = getattr(config, 'filename', None) or 'config'
    for name in names:
        section = config.get(name)
        if section is None:
            raise ValueError(
                f'{file}: has no {name}; is it the config of a network? They are listed in configs/'
            )
        places = {name: section}
        if name in LOADERS and isinstance(section, Mapping):
            places[f'{name}.dataset'] = section.get('dataset')
        for place, value in places.items():
            several = name.endswith('_evaluator') and isinstance(value, Sequence)
            if not isinstance(value, Mapping) and not several:
                raise ValueError(
                    f'{file}: {place} is {"missing" if value is None else repr(value)[:60]}, '
                    f'expected dict(...)'
                )


def dataset_of_split(config: Config, split: str, *, masks: bool = False) -> ConfigDict:
    """The test data set of a config, moved to another split and prepared for prediction.

    Args:
        config (Config): Its ``test_dataloader.dataset`` is the template.
        split (str): Name of a list in ``ImageSets/Segmentation``, e.g. ``train_aug``; a path of a
            list; or ``all``: every image of the tag file.
        masks (bool): Keep the ground truth masks; without them the masks need not exist.

    Returns:
        ConfigDict: Data set config in test mode.

    Raises:
        ValueError: The config has no test data set. The message names the config.
    """
    require_sections(config, 'test_dataloader')
    dataset = ConfigDict(config.test_dataloader.dataset)
    is_path = split.endswith('.txt')
    if split == 'all':
        dataset.ann_file = ''
    elif 'split' in dataset and not is_path:
        dataset.split = split
        dataset.pop('ann_file', None)
    else:
        dataset.ann_file = (
            str(Path(split).absolute()) if is_path else f'ImageSets/Segmentation/{split}.txt'
        )
    dataset.test_mode = True
    if not masks:
        dataset.data_prefix = dict(
            dataset.get('data_prefix') or dict(img_path='JPEGImages'), seg_map_path=None
        )
        dataset.pipeline = without_masks(dataset.get('pipeline', []))
    return dataset


def without_masks(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A pipeline without the steps that read masks, also inside ``TestTimeAug``."""
    steps = []
    for step in pipeline:
        if step['type'].endswith('TestTimeAug'):
            branches = [without_masks(branch) for branch in step['transforms']]
            step = ConfigDict(step, transforms=[branch for branch in branches if branch])
        if not step['type'].endswith(('LoadMask', 'LoadAnnotations')):
            steps.append(step)
    return steps
