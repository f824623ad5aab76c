"""High-level interface to masks from image tags: ``fit`` and ``predict``, without a config."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.photo_set import PhotoSet, read_photo_set, write_photo_set
from mmwsss.utils.io import atomic_open, write_json
from mmwsss.utils.package_files import package_root

from .inferencer import infer_masks, init_model
from .own_photos import WORKING_SIDE, pipeline_name, pipeline_options
from .pipeline import Pipeline, StageFailed, last_checkpoint
from .setup_check import pipeline_weights
from .weights import check_weights

NETWORK = 'segmentation'  # stage that trains the network


class Segmenter:
    """Trains on photos and their tags, then segments photos without tags.

    ``fit`` runs the pipeline ``own_photos`` in ``work_dir`` (classifier, maps, masks, network); a
    further call continues an interrupted run. ``predict`` uses the last network.

    Example::

        segmenter = Segmenter('work_dirs/mine').fit('my_pictures', 'my_tags.csv')
        segmenter.predict('new_pictures').save('masks')

    Args:
        work_dir (str | Path): Folder of all files that ``fit`` creates.
        device (str): Device of the predictions; ``'auto'``: the first accelerator, or the CPU if
            there is none.
        max_side (int): Larger photos are downscaled for the networks, and masks are scaled back.
        config (str | Path, optional): Pipeline config with the recipe ``own_photos``; default:
            depends on whether the package of ImageNet weights is installed.
        options: Values of that config, such as ``epochs``, ``iterations`` and ``threshold``.
    """

    def __init__(
        self,
        work_dir: str | Path = 'work_dirs/segmenter',
        *,
        device: str = 'auto',
        max_side: int = WORKING_SIDE,
        config: str | Path | None = None,
        **options: Any,
    ) -> None:
        self.work_dir = Path(work_dir)
        self.device = device
        self.max_side = max_side
        self.config = config
        self.options = options
        self.model: Any = None

    def fit(
        self, folder: str | Path, tags: str | Path | Mapping[str, Iterable[str]] | None = None
    ) -> 'Segmenter':
        """Train on photos and tags.

        Args:
            folder (str | Path): Photos.
            tags (str | Path | Mapping, optional): Table or annotations
                (``docs/user_guides/own_data.md``), or tags by file name. None: the folder has a
                subfolder of photos for each tag.

        Returns:
            Segmenter: Itself.

        Raises:
            FileNotFoundError: Weights of the networks are missing.
            ValueError: Photos and tags do not match, or a stage failed. The message names the file
                with all problems, or the log.
        """
        photos = self._prepare(Path(folder), tags)
        pipeline = self._pipeline(photos)
        check_weights(pipeline_weights(pipeline))
        try:
            pipeline.run()
        except StageFailed as error:
            raise ValueError(str(error)) from error
        self.model = init_model(last_checkpoint(self.work_dir / NETWORK), device=self.device)
        self.model.cfg.test_dataloader.dataset.max_side = self.max_side
        return self

    def predict(self, photos: Any, **options: Any) -> Any:
        """Masks of photos, which need no tags.

        Args:
            photos: See :func:`mmwsss.apis.infer_masks`.
            options: ``rgb``, ``batch_size``, ``max_side``, ``progress``.

        Returns:
            LabelMap | Results: One mask, or a list of them.

        Raises:
            ValueError: The network has not been trained yet.
        """
        return infer_masks(self._fitted(), photos, **options)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, background first."""
        return tuple(self._fitted().class_names)

    def save(self, path: str | Path) -> Path:
        """Write the network as one file, which ``load`` and ``init_model`` read.

        Args:
            path (str | Path): File, ``.pth``.
        """
        model, path = self._fitted(), Path(path)
        meta = dict(cfg=model.cfg.pretty_text, dataset_meta=dict(classes=list(model.class_names)))
        with atomic_open(path, durable=True) as file:
            torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
        return path

    @classmethod
    def load(cls, path: str | Path, *, device: str = 'auto') -> 'Segmenter':
        """Load a saved segmenter, or the network of any checkpoint of mmwsss.

        Args:
            path (str | Path): File of :meth:`save`.
            device (str): Device of the predictions.
        """
        segmenter = cls(device=device)
        segmenter.model = init_model(checkpoint=path, device=device)
        side = segmenter.model.cfg.test_dataloader.dataset.get('max_side')
        segmenter.max_side = side or WORKING_SIDE
        return segmenter

    def _fitted(self) -> Any:
        if self.model is None:
            raise ValueError('this segmenter has learned nothing yet: call fit, or Segmenter.load')
        return self.model

    def _prepare(self, folder: Path, tags: Any) -> PhotoSet:
        """The data set of the run."""
        if isinstance(tags, Mapping):
            source = self.work_dir / 'tags.json'
            write_json(source, {name: list(own) for name, own in tags.items()})
        else:
            source = Path(folder if tags is None else tags)
        report, data = CheckReport(f'tags of {source}'), self.work_dir / 'data'
        _, photos = read_photo_set(source, folder, data, report, max_side=self.max_side)
        report.write(self.work_dir / 'tags.txt')
        if report.num_problems:
            first = ': '.join(line.strip() for line in report.text().splitlines()[1:3])
            raise ValueError(
                f'{source}: {report.num_problems} problems of photos or tags, first {first}; all '
                f'are in {self.work_dir / "tags.txt"}'
            )
        write_photo_set(data, photos, max_side=self.max_side)
        return photos

    def _pipeline(self, photos: PhotoSet) -> Pipeline:
        name = pipeline_name()
        config = self.config or package_root() / 'configs' / 'pipelines' / name
        options = pipeline_options(photos, small=self.config is None and 'small' in name)
        options.update(self.options, data=str(self.work_dir / 'data'))
        return Pipeline(config, work_dir=self.work_dir, options=options)
