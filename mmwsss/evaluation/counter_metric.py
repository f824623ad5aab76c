"""Base class of metrics whose whole state is a vector of pixel counts."""

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.functional.confusion import (
    MEANS,
    RATES,
    ClassAreas,
    class_iou,
    false_rates,
    iou_variants,
)
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

from .protocols import protocol_label


class CounterMetric(BaseMetric):
    """A metric that accumulates int64 counts image by image, without lists or overflow and with one
    all-reduce at the end.

    A subclass names its counters in :meth:`counter_shapes`, fills them from one sample in
    :meth:`count_image` and turns the sums into numbers in :meth:`compute_metrics`.
    ``dataset_meta['classes']`` (background first) gives the classes, ``dataset_meta['split']``, if
    present, the split named in :attr:`protocol`.

    After an evaluation, :attr:`table` is the report as text, :attr:`curve` the corresponding
    curves, :attr:`protocol` the settings of the evaluation, and :attr:`note` a warning about the
    ground truth, empty if there is none.

    Args:
        ignore_index (int): Label that is left out.
        mean (str): Classes included in the mean, see
            :func:`mmwsss.functional.confusion.mean_over_classes`.
        rates (str): Definition of FP and FN, see :func:`mmwsss.functional.confusion.false_rates`.
        out_file (str, optional): JSON file for numbers, protocol and curve; written atomically by
            the main process.
        protocol (str, optional): Name of the published protocol that is followed
            (:mod:`mmwsss.evaluation.protocols`), or a user-defined name; it is printed with the
            results.
        prefix (str, optional): Prefix of the names of results.
    """

    def __init__(
        self,
        *,
        ignore_index: int = 255,
        mean: str = 'all',
        rates: str = 'mctformer',
        out_file: str | None = None,
        protocol: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        if mean not in MEANS:
            raise ValueError(f'mean must be one of {MEANS}, got {mean!r}')
        if rates not in RATES:
            raise ValueError(f'rates must be one of {RATES}, got {rates!r}')
        self.ignore_index = ignore_index
        self.mean = mean
        self.rates = rates
        self.out_file = out_file
        self.protocol_name = protocol
        self.table = ''
        self.curve: dict[str, Any] = {}
        self.protocol: dict[str, Any] = {}
        self.note = ''
        self._counters: Tensor | None = None

    @abstractmethod
    def counter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the counters.

        Returns:
            dict[str, tuple[int, ...]]
        """

    @abstractmethod
    def count_image(self, sample: dict[str, Any]) -> dict[str, Tensor]:
        """Count one image.

        Args:
            sample (dict): A data sample as returned by :meth:`BaseDataElement.to_dict`.

        Returns:
            dict[str, Tensor]: Increments of some or all counters.
        """

    @abstractmethod
    def compute_metrics(self, counters: dict[str, Tensor]) -> dict[str, Any]:
        """Turn summed counters into results; sets :attr:`table`, :attr:`curve` and
        :attr:`protocol`.

        Args:
            counters (dict[str, Tensor]): Counters on the CPU.

        Returns:
            dict: Results by name without prefix; percentages in 0-100.
        """

    @property
    def classes(self) -> tuple[str, ...]:
        """tuple[str]: Class names, background first."""
        names = (self.dataset_meta or {}).get('classes')
        if not names or len(names) < 2:
            raise ValueError(
                f"{type(self).__name__} needs dataset_meta['classes']: the class names, "
                f'background first'
            )
        return tuple(names)

    @property
    def counters(self) -> Tensor:
        """Tensor: Current counts of this process, (S,) int64; the first is the number of images."""
        if self._counters is None:
            self._counters = torch.zeros(
                1 + sum(math.prod(shape) for shape in self.counter_shapes().values()),
                dtype=torch.int64,
            )
        return self._counters

    def merge(self, counters: Tensor | np.ndarray) -> None:
        """Add the ``counters`` (S,) of another process."""
        self._counters = self.counters + torch.as_tensor(counters, device=self.counters.device)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Count the images of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Predictions and ground truth of each image.

        Raises:
            ValueError: A sample lacks a field, or its content is invalid. The message names the
                image.
        """
        for sample in data_samples:
            try:
                addends = self.count_image(sample)
            except ValueError as error:
                raise ValueError(f'{_image_name(sample)}: {error}') from error
            for value in addends.values():
                # counts stay on the device of the predictions
                if value.device != self.counters.device:
                    self._counters = self.counters.to(value.device)
            views = self._views(self.counters)
            self.counters[0] += 1
            for name, value in addends.items():
                views[name] += value

    def evaluate(self, size: int) -> dict[str, Any]:
        """Sum over processes, log the table and return the results.

        Args:
            size (int): Number of images of the data set.

        Raises:
            ValueError: The number of counted images is not ``size``.
        """
        results = self.summarize(size)
        print_log('\n' + self.table, logger='current')
        if self.note:
            print_log(self.note, logger='current', level=logging.WARNING)
        return results

    def summarize(self, size: int) -> dict[str, Any]:
        """:meth:`evaluate` without the log."""
        total, self._counters = self.counters, None
        all_reduce(total)
        total = total.cpu()
        self.check_size(int(total[0]), size)
        computed = self.compute_metrics(self._views(total))
        label = self.protocol_label(int(total[0]))
        self.protocol = dict(name=label, **self.protocol)
        self._report_ignored(self._views(total).get('pixels'))
        self.table += f'\nprotocol: {label}'
        results: dict[str, Any] = {
            f'{self.prefix}/{name}' if self.prefix else name: value
            for name, value in computed.items()
        }
        if self.out_file is not None and is_main_process():
            content: dict[str, Any] = dict(results, protocol=self.protocol, curve=self.curve)
            write_json(self.out_file, content)
        return results

    def _report_ignored(self, pixels: Tensor | None) -> None:
        """Add the fraction of ignored ground truth to the table, and a warning if it may contain
        the pixels of an absent class.

        Args:
            pixels (Tensor, optional): (2,) numbers of all pixels and of ignored ones.
        """
        self.note = ''
        if pixels is None:
            return
        share = 100 * float(pixels[1]) / max(1.0, float(pixels[0]))
        self.table += (
            f'\nground truth that is ignored ({self.ignore_index}): {share:.2f} % of the pixels'
        )
        absent = [name for name in self.protocol.get('absent_classes', ()) if name != 'background']
        if absent and pixels[1]:
            shown = ', '.join(absent[:5]) + (', ...' if len(absent) > 5 else '')
            self.note = (
                f'note: {shown} never occurs in the ground truth, while {share:.2f} % of its '
                f'pixels are {self.ignore_index}, which is left out; if that is an object, as in '
                f'black-and-white masks, the numbers mean nothing: give it a class id'
            )

    def protocol_label(self, num_images: int) -> str:
        """Name of the protocol, with a remark if the data are not those of the protocol."""
        meta = self.dataset_meta or {}
        return protocol_label(
            self.protocol_name,
            meta.get('split'),
            num_images,
            len(meta['classes']) if meta.get('classes') else None,
        )

    def check_size(self, counted: int, size: int) -> None:
        """Reject results over too many or too few images."""
        if counted > size:
            raise ValueError(
                f'{type(self).__name__} counted {counted} images of {size}: padding repeats some '
                f'of them; set sampler.round_up=False in the dataloader'
            )
        if counted < size:
            raise ValueError(
                f'{type(self).__name__} counted {counted} images of {size}: the rest never '
                f'reached it (drop_last in the dataloader, or a loop that stopped early?)'
            )

    def summarize_areas(self, areas: ClassAreas) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
        """Results that all pixel metrics have in common.

        Args:
            areas (ClassAreas): Areas of (K,) each.

        Returns:
            tuple[dict, list]: ``mIoU`` by the chosen mean, ``mIoU_<mean>`` by the others where they
                differ, ``FP``, ``FN`` (``FP_background`` and ``FN_background`` separately for
                ``rates='irn'``) and ``IoU`` {class: IoU}, in percent; and rows (class, IoU, FP, FN)
                of
            a table.
        """
        variants = {mean: 100 * float(value) for mean, value in iou_variants(areas).items()}
        iou, rates = class_iou(areas), false_rates(areas, self.rates, self.mean)
        results: dict[str, Any] = {'mIoU': variants[self.mean]}
        results.update(
            {
                f'mIoU_{mean}': value
                for mean, value in variants.items()
                if abs(value - results['mIoU']) > 1e-9
            }
        )
        results.update(FP=100 * float(rates.positive), FN=100 * float(rates.negative))
        if self.rates == 'irn':
            results.update(
                FP_background=100 * float(rates.class_positive[0]),
                FN_background=100 * float(rates.class_negative[0]),
            )
        occurs = (areas.target + areas.predicted > 0).tolist()
        per_class = zip(
            self.classes,
            occurs,
            iou.tolist(),
            rates.class_positive.tolist(),
            rates.class_negative.tolist(),
        )
        rows: list[tuple[Any, ...]] = []
        for name, seen, *values in per_class:
            percent = [100 * value for value in values]
            rows.append((name, *percent) if seen else (name, None, None, None))
        results['IoU'] = {
            name: round(100 * value, 4) for name, value in zip(self.classes, iou.tolist())
        }
        return results, rows

    def base_protocol(self, areas: ClassAreas) -> dict[str, Any]:
        """Entries of :attr:`protocol` that all pixel metrics have in common.

        Args:
            areas (ClassAreas): Areas of (K,) each.
        """
        split = (self.dataset_meta or {}).get('split')
        absent = [name for name, pixels in zip(self.classes, areas.target.tolist()) if not pixels]
        protocol: dict[str, Any] = {} if split is None else {'split': split}
        return dict(
            protocol,
            num_classes=len(self.classes),
            absent_classes=absent,
            mean=self.mean,
            rates=self.rates,
        )

    def _views(self, vector: Tensor) -> dict[str, Tensor]:
        views, start = {}, 1
        for name, shape in self.counter_shapes().items():
            views[name] = vector[start : start + math.prod(shape)].view(shape)
            start += math.prod(shape)
        return views


def sample_field(sample: dict[str, Any], name: str, hint: str) -> Any:
    """Data of a field of a sample, which is a tensor or pixel data.

    Raises:
        ValueError: The field is missing. The message ends with ``hint``.
    """
    if name not in sample:
        raise ValueError(f'the sample has no {name}: {hint}')
    value = sample[name]
    return value['data'] if isinstance(value, dict) else value


def ground_truth(sample: dict[str, Any]) -> Tensor:
    """Label map (H,W) of a sample."""
    return sample_field(sample, 'gt_sem_seg', 'evaluation needs a split with masks').squeeze(0)


def ignored_pixels(gt: Tensor, counted: Tensor) -> Tensor:
    """(2,) int64: numbers of pixels of a label map, and of those that are not ``counted``."""
    total = torch.full_like(counted, gt.numel())
    return torch.stack((total, total - counted))


def image_id(sample: dict[str, Any]) -> str:
    """Name of the image of a sample, without folder and extension."""
    if sample.get('img_id') is not None:
        return str(sample['img_id'])
    if sample.get('img_path') is None:
        raise ValueError(
            'the sample has neither img_id nor img_path: a result file cannot be named'
        )
    return Path(sample['img_path']).stem


def _image_name(sample: dict[str, Any]) -> str:
    return sample.get('img_path') or sample.get('img_id') or 'an image without img_path'


def metric_table(
    title: str,
    rows: Sequence[Sequence[Any]],
    means: Sequence[float],
    columns: Sequence[str] = ('class', 'IoU %', 'FP %', 'FN %'),
) -> str:
    """Table of a pixel metric: ``rows`` per class, then ``means`` as the last row."""
    return text_table(columns, [*rows, ('mean', *means)], title)
