"""Studies, in which a config or pipeline is run with several sets of options and several seeds.

A grid is a config file with one entry ``grid``; :class:`Grid` reads and checks it and turns it into
runs, :mod:`mmwsss.apis.grid_runner` runs them, :mod:`mmwsss.apis.grid_table` tabulates them.
"""

import copy
import hashlib
import json
import pprint
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from mmwsss.apis.config import override, read_config
from mmwsss.apis.overrides import check_overrides
from mmwsss.apis.pipeline import Pipeline, find_folders
from mmwsss.registry import MODELS
from mmwsss.utils.io import atomic_open, read_json, write_json
from mmwsss.utils.names import nearest

GRID_KEYS = (
    'title',
    'source',
    'note',
    'base',
    'options',
    'pipeline_options',
    'seeds',
    'train',
    'train_args',
    'tests',
    'columns',
    'rows',
    'prepare',
    'plot',
)
ROW_KEYS = (
    'name',
    'base',
    'checkpoint',
    'options',
    'pipeline_options',
    'train',
    'train_args',
    'tests',
    'test_options',
    'test_args',
    'published',
    'x',
    'source',
    'keys',
    'reference',
)
TEST_KEYS = ('name', 'tool', 'args', 'options')
COLUMN_KEYS = ('title', 'test', 'key', 'digits')
PLOT_KEYS = ('columns', 'xlabel', 'ylabel')
TRAINING = 'training'


class Column(NamedTuple):
    """Column of the table.

    Attributes:
        name: Key of ``columns``, under which rows give published values.
        title: Header.
        test: Stage that measures the value; '' is the ``metrics.json`` of the whole run.
        key: Entry of its ``metrics.json``.
        digits: Number of printed decimals.
    """

    name: str
    title: str
    test: str
    key: str
    digits: int


class Run(NamedTuple):
    """One training run with all of its measurements: a pipeline in a separate folder.

    Attributes:
        name: Rows and seed, for messages.
        folder: Folder of the run.
        digest: Digest of the pipeline and its configs.
        files: Text of the files that are written into the folder, by name.
    """

    name: str
    folder: Path
    digest: str
    files: dict[str, str]

    def is_done(self) -> bool:
        """Whether this run has already ended."""
        return (self.folder / 'metrics.json').is_file() and self._noted_digest() == self.digest

    def _noted_digest(self) -> str | None:
        """Digest of the content of the folder; None if it is missing or unreadable."""
        try:
            state = read_json(self.folder / 'run.json')
        except (OSError, ValueError):
            return None
        return state.get('digest') if isinstance(state, dict) else None

    def prepare(self) -> None:
        """Write the pipeline and its configs; results of other content are invalidated."""
        if self._noted_digest() != self.digest:
            (self.folder / 'metrics.json').unlink(missing_ok=True)
        for name, text in self.files.items():
            with atomic_open(self.folder / name, 'w', encoding='utf-8') as file:
                file.write(text)
        write_json(self.folder / 'run.json', dict(name=self.name, digest=self.digest))


class Cell(NamedTuple):
    """Row with one seed, and the location of its numbers.

    Attributes:
        row: Index of the row.
        seed: Seed of the training.
        run: Run that the row shares with other rows that train the same.
        stages: Stage of the run by the name of the test and by the name of the stage.
    """

    row: int
    seed: int
    run: Run
    stages: dict[str, str]

    def file_of(self, test: str) -> Path | None:
        """Numbers of a test; None if the row has no such test or its run has not ended."""
        if not self.run.is_done() or (test and test not in self.stages):
            return None
        return self.run.folder / self.stages.get(test, '') / 'metrics.json'


class _Plan(NamedTuple):
    """Row with one seed before the rows that share its training are known."""

    row: int
    seed: int
    digest: str
    tests: dict[str, str]
    files: dict[str, str]
    stages: list[dict[str, Any]]
    extra: dict[str, Any]


class Grid:
    """Study over option sets and seeds.

    The file has one entry ``grid``, a dict of

    - ``title``, ``source`` (paper and table), ``note`` (conditions, printed below the table)
    - ``base``: a training config or a pipeline, ``{configs}/mcc_toy.py`` or relative to the file
    - ``rows``: a list of dicts with a ``name`` and, as needed, ``base``; ``options``;
      ``test_options`` and ``test_args``, which change the tests alone; ``published``, values of the
      columns; ``x``, a number for the axis of the plot; ``checkpoint``, tested instead of a
      training (``{seed}`` in it is replaced); ``train=False``: nothing is trained;
      ``keys={'cam': 'stage:cam/mIoU'}``, other locations of a column's number, None where the row
      has no such number; ``reference=True``: only published values, nothing is run
    - ``options`` of all rows. Of a config ``{'model.momentum': 0.9}``; of a pipeline by stage,
      ``{'classifier': {...}}``: they reach every stage with that stage's config.
      ``pipeline_options`` are overrides of the pipeline config itself
    - ``seeds`` (default 0, 1, 2), ``train_args`` of ``tools/train.py``
    - ``tests``: stages after the training, dicts with ``name``, ``tool`` (``test.py``), ``args``
      and ``options``. ``test.py`` is given config, checkpoint and work dir; other tools find
      ``{config}``, ``{checkpoint}``, ``{here}``, their folder, and the folders of earlier tests by
      name in their ``args``. Default: one ``test``, for a pipeline none
    - ``columns``: ``{'seg': dict(title=..., test='test', key='seg/mIoU', digits=1)}``; without
      ``test`` the number is in the ``metrics.json`` of the pipeline
    - ``prepare``: tools that run once before everything, ``dict(tool=..., args=[...])``
    - ``plot``: ``dict(columns=[...], xlabel=..., ylabel=...)``; None for none

    Rows that train the same share one training run, so that a row which only changes a test costs
    only the test.

    Args:
        path: Grid config.
        work_dir: Default: ``work_dirs/grids/<name of the config>``.
        seeds: Seeds that replace those of the file.

    Raises:
        FileNotFoundError: The file, base or checkpoint does not exist.
        ValueError: An entry, option, seed or stage does not exist. The message names the row and
            the nearest name.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        work_dir: str | Path | None = None,
        seeds: Sequence[int] | None = None,
    ) -> None:
        self.path, config = Path(path), read_config(path)
        if not isinstance(config.get('grid'), Mapping):
            raise ValueError(f'{path}: has no entry grid; studies are in configs/ablations/')
        self.spec: dict[str, Any] = config._cfg_dict.to_dict()['grid']
        _check_keys(self.spec, GRID_KEYS, f'{path}: grid')
        self.name = self.path.stem
        self.work_dir = Path(work_dir or Path('work_dirs') / 'grids' / self.name)
        self.configs, self.tools = find_folders(path)
        try:
            self._read_spec(seeds)
        except (TypeError, AttributeError, KeyError) as error:
            raise ValueError(
                f'{path}: not a grid config ({type(error).__name__}: {error}); examples are in '
                f'configs/ablations (MMWSSS_DEBUG=1 shows where)'
            ) from error

    def _read_spec(self, seeds: Sequence[int] | None) -> None:
        """Seeds, rows, columns and runs."""
        self.seeds = self._checked_seeds(self.spec.get('seeds', [0, 1, 2]) if not seeds else seeds)
        self.rows: list[dict[str, Any]] = self._checked_rows()
        self.columns = self._checked_columns()
        self.prepare: list[dict[str, Any]] = []
        for entry in self.spec.get('prepare', []):
            arguments = [self._expand(str(arg)) for arg in entry.get('args', [])]
            self.prepare.append(dict(entry, args=arguments))
            self._check_tool(entry.get('tool'), 'prepare')
        self._built: set[str] = set()
        self._read_before: dict[str, Config] = {}
        trained = [index for index, row in enumerate(self.rows) if not row.get('reference')]
        plans = [self._plan(index, seed) for index in trained for seed in self.seeds]
        self._check_tests(plans)
        self.cells = self._join_plans(plans)

    @property
    def runs(self) -> list[Run]:
        """The runs of all cells, each once."""
        return list({cell.run.folder: cell.run for cell in self.cells}.values())

    # reading ---------------------------------------------------------------------------------

    def _checked_seeds(self, seeds: Sequence[Any]) -> list[int]:
        wrong = [seed for seed in seeds if not isinstance(seed, int) or seed < 0]
        if wrong or len(set(seeds)) != len(seeds) or not seeds:
            raise ValueError(
                f'{self.path}: seeds must be different integers of at least 0, got {list(seeds)}'
            )
        return list(seeds)

    def _checked_rows(self) -> list[dict[str, Any]]:
        rows = self.spec.get('rows') or []
        if not rows:
            raise ValueError(f'{self.path}: grid has no rows')
        names: list[str] = []
        for row in rows:
            if 'name' not in row:
                raise ValueError(f'{self.path}: a row has no name: {row}')
            _check_keys(row, ROW_KEYS, self._where(row))
            names.append(row['name'])
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f'{self.path}: two rows have the name {repeated!r}')
        return list(rows)

    def _checked_columns(self) -> list[Column]:
        columns = []
        for name, entry in (self.spec.get('columns') or {}).items():
            _check_keys(entry, COLUMN_KEYS, f'{self.path}: column {name!r}')
            if 'key' not in entry:
                raise ValueError(f'{self.path}: column {name!r} needs a key of metrics.json')
            columns.append(
                Column(
                    name,
                    entry.get('title', name),
                    entry.get('test', ''),
                    entry['key'],
                    entry.get('digits', 1),
                )
            )
        if not columns:
            raise ValueError(f'{self.path}: grid has no columns')
        names = [column.name for column in columns]
        for row in self.rows:
            for entry in ('published', 'keys'):
                _check_keys(row.get(entry, {}), names, f'{self._where(row)}: {entry}')
        plot = self.spec.get('plot') or {}
        _check_keys(plot, PLOT_KEYS, f'{self.path}: plot')
        _check_keys(dict.fromkeys(plot.get('columns', [])), names, f'{self.path}: plot.columns')
        return columns

    def place_of(self, row: int, column: Column) -> tuple[str, str] | None:
        """Test and key of a number: those of the column, unless the row has others; None: the row
        has no such number.
        """
        keys = self.rows[row].get('keys', {})
        if column.name not in keys:
            return column.test, column.key
        if keys[column.name] is None:
            return None
        test, _, key = keys[column.name].rpartition(':')
        return test, key

    def _where(self, row: Mapping[str, Any]) -> str:
        return f'{self.path}: row {row["name"]!r}'

    def _expand(self, text: str) -> str:
        return text.replace('{configs}', str(self.configs))

    def _check_tool(self, tool: Any, where: str) -> None:
        if not tool or not (self.tools / str(tool)).is_file():
            raise ValueError(f'{self.path}: {where}: unknown tool: {self.tools / str(tool)}')

    # runs ------------------------------------------------------------------------------------

    def _plan(self, index: int, seed: int) -> _Plan:
        row = self.rows[index]
        base = row.get('base', self.spec.get('base'))
        if base is None:
            raise ValueError(f'{self._where(row)}: needs a base, a config or a pipeline')
        path = Path(self._expand(base))
        path = path if path.is_absolute() or path.is_file() else self.path.parent / path
        config = self._read(path)
        is_pipeline = 'stages' in config or 'recipe' in config
        if is_pipeline:
            stages, files, extra = self._pipeline_stages(row, path, seed)
        else:
            stages, files, extra = self._training_stages(row, path, config, seed)
        digest = _digest([stages, files, row.get('checkpoint')])
        tests = self._tests(row, path, config, files, seed, is_pipeline=is_pipeline)
        names = {stage['name']: stage['name'] for stage in stages}
        names.update({test['name']: stage['name'] for test, stage in tests})
        stages = [*stages, *(stage for _, stage in tests)]
        return _Plan(index, seed, digest, names, files, stages, extra)

    def _check_tests(self, plans: Sequence[_Plan]) -> None:
        """Reject a column that no row measures, which is misspelt; a row may leave columns out."""
        known = set().union(*(plan.tests for plan in plans))
        for column in self.columns:
            places = [self.place_of(plan.row, column) for plan in plans]
            tests = {place[0] for place in places if place is not None}
            wrong = sorted(tests - known - {''})
            if wrong:
                raise ValueError(
                    f'{self.path}: column {column.name!r}: unknown test: {wrong[0]!r}'
                    f'{nearest(wrong[0], known)}'
                )

    def _join_plans(self, plans: Sequence[_Plan]) -> list[Cell]:
        """Merge rows that train the same into one run with the tests of all of them."""
        groups: dict[str, list[_Plan]] = {}
        for plan in plans:
            groups.setdefault(plan.digest, []).append(plan)
        runs = {}
        for digest, group in groups.items():
            first = group[0]
            name = f'{self.rows[first.row]["name"]}, seed {first.seed}'
            stages, files = {}, {}
            for plan in group:
                stages.update({stage['name']: stage for stage in plan.stages})
                files.update(plan.files)
            files['pipeline.py'] = _python(
                dict(
                    title=f'{self.name}, seed {first.seed}',
                    stages=list(stages.values()),
                    **first.extra,
                )
            )
            slug = f'{_slug(self.rows[first.row]["name"])}-seed{first.seed}'
            runs[digest] = Run(name, self._folder(digest, slug), _digest(files, 16), files)
        return [Cell(plan.row, plan.seed, runs[plan.digest], plan.tests) for plan in plans]

    def _read(self, path: str | Path) -> Config:
        """Cached config, since reading one with bases of MMSegmentation takes a second."""
        path = str(path)
        if path not in self._read_before:
            self._read_before[path] = read_config(path)
        return self._read_before[path]

    def _training_stages(
        self, row: Mapping[str, Any], path: Path, config: Config, seed: int
    ) -> tuple[list[dict[str, Any]], dict[str, str], dict[str, Any]]:
        """Training of a config: stages, files and other entries of the pipeline."""
        options = {**self.spec.get('options', {}), **row.get('options', {})}
        text = self._derive(
            config, dict(options, **{'randomness.seed': seed}), self._where(row), path
        )
        if not row.get('train', self.spec.get('train', True)) or 'checkpoint' in row:
            stages = []
        else:
            args = [f'{{work_dir}}/{path.name}', '--work-dir', f'{{{TRAINING}}}']
            args += map(str, [*self.spec.get('train_args', []), *row.get('train_args', [])])
            stages = [dict(name=TRAINING, tool='train.py', args=args)]
        return stages, {path.name: text}, dict(results={})

    def _pipeline_stages(
        self, row: Mapping[str, Any], path: Path, seed: int
    ) -> tuple[list[dict[str, Any]], dict[str, str], dict[str, Any]]:
        """Stages of a pipeline whose configs are replaced by changed copies."""
        overrides = {**self.spec.get('pipeline_options', {}), **row.get('pipeline_options', {})}
        pipeline = Pipeline(path, options=overrides or None)
        options: dict[str, dict[str, Any]] = {
            name: dict(values) for name, values in self.spec.get('options', {}).items()
        }
        for name, values in row.get('options', {}).items():
            options[name] = {**options.get(name, {}), **values}
        stages = [
            stage.to_dict() if isinstance(stage, ConfigDict) else dict(stage)
            for stage in pipeline.stages
        ]
        names = [stage['name'] for stage in stages]
        _check_keys(options, names, f'{self._where(row)}: options by stage')
        files: dict[str, str] = {}
        by_config: dict[str, dict[str, Any]] = {}
        for stage in stages:
            stage['args'] = [
                str(arg).replace('{configs}', str(pipeline.configs)) for arg in stage['args']
            ]
            own = _config_of(stage)
            if own is None and stage['name'] in options:
                raise ValueError(
                    f'{self._where(row)}: stage {stage["name"]!r} has no config whose options '
                    f'could change'
                )
            if own is not None:
                by_config.setdefault(own, {}).update(options.get(stage['name'], {}))
                if stage['tool'] == 'train.py':
                    by_config[own]['randomness.seed'] = seed
        for stage in stages:
            own = _config_of(stage)
            if own is None:
                continue
            text = self._derive(self._read(own), by_config[own], self._where(row), Path(own))
            files[Path(own).name] = text
            stage['args'] = _without_options(
                [f'{{work_dir}}/{Path(own).name}' if arg == own else arg for arg in stage['args']],
                by_config[own],
            )
        return stages, files, dict(results=pipeline.results, report=pipeline.report)

    def _tests(
        self,
        row: Mapping[str, Any],
        path: Path,
        config: Config,
        files: dict[str, str],
        seed: int,
        *,
        is_pipeline: bool,
    ) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Tests of a row with their stages; their configs are added to ``files``."""
        default = [] if is_pipeline else [dict(name='test')]
        tests = row.get('tests', self.spec.get('tests', default))
        checkpoint = row.get('checkpoint')
        if checkpoint is not None:
            checkpoint = self._expand(checkpoint).replace('{seed}', str(seed))
            if not Path(checkpoint).is_file():
                raise FileNotFoundError(
                    f'{self._where(row)}, seed {seed}: checkpoint not found: {checkpoint}'
                )
            checkpoint = str(Path(checkpoint).resolve())
        result: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for test in tests:
            where = f'{self._where(row)}: test {test.get("name")!r}'
            _check_keys(test, TEST_KEYS, where)
            tool = test.get('tool', 'test.py')
            self._check_tool(tool, where)
            options = {**test.get('options', {}), **row.get('test_options', {})}
            name = path.name
            args = list(map(str, test.get('args', [])))
            if tool == 'test.py':
                args += map(str, row.get('test_args', []))
            if options and not is_pipeline:
                training = {**self.spec.get('options', {}), **row.get('options', {})}
                text = self._derive(config, {**training, **options}, where, path)
                name = f'{path.stem}-{_digest([text])}.py'
                files[name] = text
            elif options:
                args += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
            if tool == 'test.py' and not is_pipeline:
                args = ['{config}', '{checkpoint}', '--work-dir', '{here}', *args]
            stage = f'{_slug(test["name"])}-{_digest([tool, args, files.get(name)])}'
            weights = checkpoint or f'{{{TRAINING}.checkpoint}}'
            if any('{checkpoint}' in arg for arg in args) and not (
                checkpoint or row.get('train', self.spec.get('train', True))
            ):
                raise ValueError(f'{where}: needs a checkpoint, but nothing is trained')
            places = {
                '{config}': f'{{work_dir}}/{name}',
                '{checkpoint}': weights,
                '{here}': f'{{{stage}}}',
                '{configs}': str(self.configs),
            }
            for earlier, own in result:  # folders and numbers of the tests before
                for end in '}:':
                    places[f'{{{earlier["name"]}{end}'] = f'{{{own["name"]}{end}'
            for place, value in places.items():
                args = [arg.replace(place, value) for arg in args]
            result.append((test, dict(name=stage, tool=tool, args=args)))
        return result

    def _derive(self, config: Config, options: Mapping[str, Any], where: str, path: Path) -> str:
        """Text of a config with options, after both have been checked."""
        config = copy.deepcopy(config)
        init_default_scope(config.get('default_scope', 'mmwsss'))
        try:
            check_overrides(config, options)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error
        if options:
            override(config, dict(options))
        if 'model' in config:
            self._check_model(config, f'{where}: {path.name}')
        return f'# {path.name} with the options of a study\n{_python(config._cfg_dict.to_dict())}'

    def _check_model(self, config: Config, where: str) -> None:
        """Build the model without memory for its weights, to find options that contradict each
        other.
        """
        model = repr(config.model)
        if model in self._built:
            return
        try:
            with torch.device('meta'):
                MODELS.build(copy.deepcopy(config.model))
        except (TypeError, KeyError, AssertionError, ValueError) as error:
            message = error.args[0] if isinstance(error, KeyError) else error
            raise ValueError(f'{where}: the model cannot be built: {message}') from error
        except RuntimeError as error:
            if 'meta' not in str(error):
                raise
            # a constructor that reads the values of its tensors is checked when the run starts
        self._built.add(model)

    def _folder(self, digest: str, name: str) -> Path:
        """Folder of a run: the existing one with this content, whatever the name of its row."""
        runs = self.work_dir / 'runs'
        return next(iter(sorted(runs.glob(f'*-{digest}'))), runs / f'{name}-{digest}')


def _check_keys(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in entry:
        if key not in known:
            raise ValueError(f'{where}: unknown entry {key!r}{nearest(key, known)}')


def _config_of(stage: Mapping[str, Any]) -> str | None:
    """Config file among the arguments of a stage."""
    return next((arg for arg in stage['args'] if arg.endswith('.py') and Path(arg).is_file()), None)


def _without_options(args: list[str], options: Mapping[str, Any]) -> list[str]:
    """Arguments without the ``--cfg-options`` entries that the study sets itself."""
    kept = [arg for arg in args if arg.partition('=')[0] not in options]
    at = kept.index('--cfg-options') + 1 if '--cfg-options' in kept else 0
    if at and (at == len(kept) or kept[at].startswith('--')):
        del kept[at - 1]
    return kept


def _python(entries: Mapping[str, Any]) -> str:
    """Text of a config file."""
    return '\n'.join(
        f'{key} = {pprint.pformat(value, width=100, sort_dicts=False)}'
        for key, value in entries.items()
    )


def _digest(content: Any, length: int = 8) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _slug(text: str) -> str:
    slug = re.sub(r'[^A-Za-z0-9]+', '_', text).strip('_').lower()
    return slug[:40].rstrip('_') if slug[:1].isalpha() else f'row_{slug[:36]}'.rstrip('_')
