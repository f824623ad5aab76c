"""Label Studio: a list of tasks with predictions (brush masks) that annotators accept or
correct.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray

from mmwsss.functional.polygons import fill_polygon
from mmwsss.utils.io import atomic_open, read_json, write_json

from .base import MaskFormat, MaskItem, ReadMask

RUN_BITS = (3, 4, 8, 16)  # possible numbers of bits for the length of a run
CONFIG = """<View>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="label" toName="image">
{labels}
  </BrushLabels>
</View>
"""


class LabelStudioFormat(MaskFormat):
    """``tasks.json`` with one task per image, and ``label_config.xml`` for the project.

    The image of a task is ``/data/local-files/?d=<path>``, the local storage of Label Studio, with
    the given path; with a cloud storage, replace the prefix. Reading uses the annotations of a
    task, or its predictions if there are none; brush masks and polygons are supported.

    Arguments as for :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        tasks = [self._task(item) for item in items]
        write_json(out / 'tasks.json', tasks)
        labels = '\n'.join(f'    <Label value={json.dumps(name)}/>' for name in self.classes[1:])
        with atomic_open(out / 'label_config.xml', 'w', encoding='utf-8') as file:
            file.write(CONFIG.format(labels=labels))

    def _task(self, item: MaskItem) -> dict[str, Any]:
        height, width = item.mask.shape
        results = []
        for number, label in enumerate(sorted({*np.unique(item.mask).tolist()} - {0, 255})):
            runs, names = encode_brush(item.mask == label), [self.classes[label]]
            region = dict(
                id=f'{item.id}-{number}',
                type='brushlabels',
                from_name='label',
                to_name='image',
                original_width=width,
                original_height=height,
                image_rotation=0,
                value=dict(format='rle', rle=runs, brushlabels=names),
            )
            results.append(region)
        return dict(
            data=dict(image=f'/data/local-files/?d={item.image.as_posix()}', image_id=item.id),
            predictions=[dict(model_version='mmwsss', result=results)],
        )

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is the JSON export, or the folder that holds
        ``tasks.json``.
        """
        path = source / 'tasks.json' if source.is_dir() else source
        tasks = read_json(path)
        if not isinstance(tasks, list):
            raise ValueError(f'{path}: not a Label Studio export (expected a list of tasks)')
        for number, task in enumerate(tasks, 1):
            where = f'{path}, task {task.get("id", number)}'
            drawn = [entry for entry in task.get('annotations', []) if entry.get('result')]
            found = (drawn or task.get('predictions', []) or [dict(result=[])])[-1]['result']
            if not found:
                raise ValueError(
                    f'{where}: neither annotated nor predicted, so the size of its mask is not '
                    f'known; leave the task out of the export'
                )
            first = found[0]
            mask = self.blank_mask(where, first['original_height'], first['original_width'])
            for result in found:
                self._paint(mask, result, where)
            yield ReadMask(_task_id(task['data']), mask)

    def _paint(self, mask: NDArray[np.uint8], result: dict[str, Any], where: str) -> None:
        value, kind = result['value'], result['type']
        if kind == 'brushlabels':
            inside = decode_brush(value['rle'], mask.shape)
            mask[inside] = self.class_id(value['brushlabels'][0], where)
        elif kind == 'polygonlabels':
            points = np.asarray(value['points'], float) / 100 * mask.shape[::-1]
            fill_polygon(mask, points, self.class_id(value['polygonlabels'][0], where))


def _task_id(data: dict[str, Any]) -> str:
    """Id of the image of a task: the id written by mmwsss, or the name of the file."""
    if 'image_id' in data:
        return str(data['image_id'])
    url = urlparse(str(data['image']))
    name = unquote(url.query.removeprefix('d=') or url.path)
    return PurePosixPath(name).stem


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Brush mask of Label Studio: runs of the four equal channels of an RGBA image, as bits.

    The header has 32 bits for the number of values, 5 for the size of a value and 4 for each of the
    four sizes of a run's length; then, for each run, one bit (1: the value repeats), two bits that
    select the size of the length, the length less one, and the value of 8 bits.

    Args:
        mask (array): (H,W) bool.

    Returns:
        list[int]: Bytes.
    """
    values = mask.ravel()
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    lengths = np.diff(np.append(starts, values.size)) * 4  # four equal channels per pixel
    longest = 1 << RUN_BITS[-1]
    bits = [f'{values.size * 4:032b}', f'{7:05b}', *(f'{size - 1:04b}' for size in RUN_BITS)]
    for start, total in zip(starts.tolist(), lengths.tolist()):
        color = f'{255 if values[start] else 0:08b}'
        while total:
            length = min(total, longest)
            # the shortest field that can hold the length; longer runs are split
            index = next(i for i, size in enumerate(RUN_BITS) if length <= 1 << size)
            bits.append(f'1{index:02b}{length - 1:0{RUN_BITS[index]}b}{color}')
            total -= length
    stream = ''.join(bits)
    stream += '0' * (-len(stream) % 8)  # whole bytes
    return list(int(stream, 2).to_bytes(len(stream) // 8, 'big'))


def decode_brush(rle: list[int], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mask (H,W) from the bytes of :func:`encode_brush` or of Label Studio.

    Raises:
        ValueError: The bytes do not hold an image of this size.
    """
    stream = ''.join(f'{byte:08b}' for byte in bytes(rle))
    at = 0

    def take(width: int) -> int:
        nonlocal at
        at += width
        if at > len(stream):
            raise ValueError('a brush mask ends too early: export the task again')
        return int(stream[at - width : at], 2)

    count = take(32)
    if count != size[0] * size[1] * 4:
        raise ValueError(f'a brush mask holds {count} values, its image needs {size}')
    word = take(5) + 1
    widths = [take(4) + 1 for _ in RUN_BITS]
    values = np.zeros(count, np.uint8)
    done = 0
    while done < count:
        repeats = take(1)
        length = take(widths[take(2)]) + 1
        if repeats:
            values[done : done + length] = take(word)
        else:
            values[done : done + length] = [take(word) for _ in range(length)]
        done += length
    return values.reshape(*size, 4)[..., 3] > 0
