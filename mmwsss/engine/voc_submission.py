"""The folder and the archive for the evaluation server of PASCAL VOC (development kit of the
challenge).
"""

import tarfile
from pathlib import Path
from tarfile import TarInfo
from typing import Any

from mmengine.logging import print_log

from mmwsss.utils.image_io import open_image
from mmwsss.utils.io import atomic_open, read_mask

# comp6: trained with additional data, which includes every network pre-trained on ImageNet
SUBMISSION_FOLDER = 'results/VOC2012/Segmentation/comp6_test_cls'
ARCHIVE = 'results.tar'


def submission_metric(out: str) -> dict[str, Any]:
    """Config of the metric that writes the palette PNGs of a submission below the folder ``out``;
    it needs no ground truth.
    """
    return dict(
        type='mmwsss.SegMetric', format_only=True, output_dir=str(Path(out, SUBMISSION_FOLDER))
    )


def pack_submission(out: str | Path, images: dict[str, str], num_classes: int = 21) -> Path:
    """Check the masks of a submission and pack them.

    Args:
        out (str | Path): Folder that holds ``results/``; the archive ``results.tar`` is written
            next to it, atomically.
        images (dict[str, str]): File of every image of the test list, by id.
        num_classes (int): Number of classes including background; a mask must not contain any other
            value, not even 255.

    Returns:
        Path: The archive, whose bytes depend only on the masks.

    Raises:
        ValueError: Masks are missing, of another size than their image, without palette, with a
            wrong value, or do not belong to an image of the list. The message names up to 20 of
            them.
    """
    out = Path(out)
    masks = {path.stem: path for path in sorted((out / SUBMISSION_FOLDER).glob('*.png'))}
    problems = [f'{name}: no mask' for name in images if name not in masks]
    problems += [
        f'{path}: not in the list of images' for name, path in masks.items() if name not in images
    ]
    for name, path in masks.items():
        if name in images:
            problems += _mask_problems(path, images[name], num_classes)
    if problems:
        more = f' (and {len(problems) - 20} more)' if len(problems) > 20 else ''
        raise ValueError(
            f'{out / SUBMISSION_FOLDER}: not a valid submission: {"; ".join(problems[:20])}{more}'
        )
    archive = out / ARCHIVE
    with atomic_open(archive) as file, tarfile.open(fileobj=file, mode='w') as tar:
        for name in sorted(masks):
            tar.add(masks[name], f'{SUBMISSION_FOLDER}/{name}.png', filter=_anonymous)
    print_log(f'{archive}: {len(masks)} masks for the evaluation server', logger='current')
    return archive


def _mask_problems(path: str | Path, image_path: str, num_classes: int) -> list[str]:
    try:
        mask = read_mask(path)
    except ValueError as error:
        return [str(error)]
    with open_image(path, 'mask') as file, open_image(image_path) as image:
        problems = (
            [f'{path}: {file.mode} image, not an 8-bit palette image'] if file.mode != 'P' else []
        )
        if file.size != image.size:
            problems.append(
                f'{path}: {file.size[0]}x{file.size[1]} (width x height), its image is '
                f'{image.size[0]}x{image.size[1]}'
            )
    if mask.size and mask.max() >= num_classes:
        problems.append(f'{path}: holds the value {mask.max()}, allowed is 0..{num_classes - 1}')
    return problems


def _anonymous(info: TarInfo) -> TarInfo:
    """Remove owner and time, so that the archive depends only on the masks."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ''
    info.mode = 0o644
    return info
