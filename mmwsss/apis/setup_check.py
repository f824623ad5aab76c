"""External requirements of a config or a pipeline: data folders and weights."""

import argparse
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmwsss.utils.cli_options import DictAction

from .config import load_config, override, read_config
from .pipeline import Pipeline
from .pipeline_config import CONFIG_TOOLS, RESERVED
from .stages import Stage
from .weights import Need, missing_weights, needed_weights, plain_weights

CHECKPOINT_TOOLS = ('test.py', 'generate_cams.py')  # checkpoint is the second argument


class Requirement(NamedTuple):
    """Required file or folder.

    Attributes:
        kind: ``'data'`` or ``'weights'``.
        place: File, folder or URL.
        there: Whether it exists.
        source: Source from which it can be obtained.
    """

    kind: str
    place: str
    there: bool
    source: str


def check_setup(path: str | Path, options: dict[str, Any] | None = None) -> list[Requirement]:
    """Files that a config or a pipeline will read, and whether they exist.

    Args:
        path: Config of a training or of a pipeline.
        options: ``{'a.b': value}`` overrides.

    Raises:
        FileNotFoundError: The config does not exist.
        ValueError: The config is not valid, or frozen layers have no weights.
    """
    config = read_config(path)
    if 'recipe' in config or 'stages' in config:
        pipeline = Pipeline(path, options=options)
        configs = [config for _, config in stage_configs(pipeline)]
        needs = pipeline_weights(pipeline)
        made = [stage['args'] for stage in pipeline.stages if 'toy_shapes.py' in stage['tool']]
    else:
        configs = [load_config(config, cfg_options=options)]
        needs, made = needed_weights(configs[0]), []
    made_folders = set().union(*made)
    data = {}
    for config in configs:
        for place, source in _data_files(config):
            is_made = any(f'{place}/'.startswith(f'{folder}/') for folder in made_folders)
            if not is_made:
                data[place] = Requirement('data', place, Path(place).exists(), source)
    missing = {need.place for need in missing_weights(needs)}
    weights = {need.place: _weights(need, need.place not in missing) for need in needs}
    return [*data.values(), *weights.values()]


def stage_configs(pipeline: Pipeline, *, check: bool = True) -> Iterator[tuple[Stage, Config]]:
    """Stages that read a config, with that config after their overrides.

    Args:
        pipeline: Pipeline; its placeholders of stages are kept.
        check: Whether overrides are checked, which imports all components.

    Raises:
        FileNotFoundError: A config does not exist.
        ValueError: A config is not valid, or an override of a stage has no effect.
    """
    read: dict[str, Config] = {}
    for stage in pipeline.stages:
        if stage['tool'] not in CONFIG_TOOLS or not stage['args']:
            continue
        path = stage['args'][0]
        if path.startswith('-'):
            continue  # the refiner of a stage without a config
        for name in RESERVED:
            path = path.replace(f'{{{name}}}', str(getattr(pipeline, name)))
        if '{' in path:
            continue  # a stage creates it
        if path not in read:
            read[path] = read_config(path)
        options = _cfg_options(stage['args'])
        config = copy.deepcopy(read[path])
        if check:
            config = load_config(config, cfg_options=options)
        elif options:
            override(config, options)
        yield stage, config


def pipeline_weights(pipeline: Pipeline, *, check: bool = True) -> list[Need]:
    """Weights that the stages of a pipeline read and that no stage creates.

    Finished stages need none.

    Args:
        pipeline: The pipeline.
        check: False only checks the names in the configs, which is immediate; True also checks
            short names, frozen layers and the effect of overrides.

    Raises:
        ValueError: Frozen layers have no weights. The message names the stage.
    """
    needs = []
    weights_of = needed_weights if check else plain_weights
    for stage, config in stage_configs(pipeline, check=check):
        if pipeline.is_done(stage):
            continue
        if stage['tool'] == 'train.py':
            needs += weights_of(config)
    for stage in pipeline.stages:
        words = stage['args']
        given = words[1:2] if stage['tool'] in CHECKPOINT_TOOLS else []
        if '--checkpoint' in words:
            given = [words[words.index('--checkpoint') + 1]]
        option = f'the checkpoint of the stage {stage["name"]}'
        needs += [Need(word, Path(word), option) for word in given if '{' not in word]
    return [need for need in needs if '{' not in need.place]


def has_data(config: Config) -> bool:
    """Whether the folder of the training set exists."""
    root = config.train_dataloader.dataset.get('data_root')
    return not root or Path(root).is_dir()


def _cfg_options(words: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_known_args(words)[0].cfg_options or {}


def _data_files(config: Config) -> Iterator[tuple[str, str]]:
    """Lists and folders of the data sets of a config, with their sources."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = (config.get(name) or {}).get('dataset') or {}
        root = dataset.get('data_root')
        if not root:
            continue
        source = _source(dataset)
        entries = [dataset.get('ann_file'), *(dataset.get('data_prefix') or {}).values()]
        entries = [entry for entry in entries if isinstance(entry, str) and entry]
        for entry in (root, *(str(Path(root) / entry) for entry in entries)):
            if '{' not in entry and 'work_dirs' not in entry:
                yield entry, source


def _source(dataset: Mapping[str, Any]) -> str:
    guide = 'docs/user_guides/datasets.md'
    known = {
        'voc': f'tools/dataset_converters/voc_aug.py, {guide}',
        'coco': f'tools/dataset_converters/coco14.py, {guide}',
        'toy': 'tools/dataset_converters/toy_shapes.py',
        'my_photos': 'docs/user_guides/own_data.md',
    }
    root = str(dataset['data_root']).lower()
    return next((source for word, source in known.items() if word in root), guide)


def _weights(need: Need, there: bool) -> Requirement:
    known = need.external
    source = known.source if known else ''
    place = f'{need.place} -> {need.file}' if need.is_url else need.place
    return Requirement('weights', place, there, source)
