"""Look at what a trained model sees in photos: overlays, masks and maps.

    python tools/demo.py photo.jpg my_folder 'trip/*.png' clip.mp4 --tags dog,sofa \\
        --config configs/mctformer_plus_tags_cpu.py --checkpoint epoch_20.pth --out work_dirs/look

For every photo the folder holds <name>_overlay.png (photo, map of each class, mask, with a legend),
<name>.png (mask), <name>.npz (maps) and an entry of results.json: classes, scores, share of the
photo. Without --tags the predicted ones are shown. Photos that are there already are left out.
"""

import argparse
import glob
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmwsss.apis import infer_cams, infer_masks, init_model
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, list_image_ids
from mmwsss.utils.image_io import read_image
from mmwsss.utils.io import atomic_open, read_json, swap_channels, write_cam, write_json, write_mask
from mmwsss.utils.names import output_path
from mmwsss.visualization import draw_cam_grid

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm')
LEARN = (
    'train one on your photos first (docs/user_guides/own_data.md; with '
    'configs/mctformer_plus_tags_cpu.py about ten minutes on a laptop)'
)


class Photo(NamedTuple):
    """One picture to look at."""

    name: str
    source: str
    image: np.ndarray | None
    """(H,W,3) BGR of a video frame; None: read the file ``source``."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', nargs='+', help='files, folders, patterns or videos')
    parser.add_argument('--tags', metavar='A,B', help='what the photos show (default: predicted)')
    parser.add_argument('--config', metavar='C', help='config of the model')
    parser.add_argument('--checkpoint', metavar='F', help='its trained weights')
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder to write to')
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='T',
        help='background threshold of the maps in [0,1] (default: that of the config, else 0.4)',
    )
    parser.add_argument(
        '--max-side',
        type=int,
        default=1024,
        metavar='PX',
        help='larger photos are made smaller for the network (default %(default)s)',
    )
    parser.add_argument(
        '--every', type=int, default=25, metavar='N', help='videos: each N-th frame (default 25)'
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='e.g. cpu or cuda:1 (default %(default)s)',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        parser.error(f'--threshold must be in [0,1], got {args.threshold}')
    if args.every < 1:
        parser.error('--every must be at least 1')
    return args


def main() -> None:
    args = parse_args()
    if args.config is None or args.checkpoint is None:
        raise ValueError(f'name a trained model with --config and --checkpoint; or {LEARN}')
    photos = find_photos(args.photos, args.every)
    tags = None if args.tags is None else [tag.strip() for tag in args.tags.split(',')]
    model = init_model(args.config, args.checkpoint, args.device, args.cfg_options)
    unknown = sorted({*(tags or ())} - {*model.class_names[1:]})
    if unknown:
        raise ValueError(
            f'--tags: {unknown[0]!r} is not a known class; the model knows '
            f'{", ".join(model.class_names[1:])}'
        )
    if tags is not None and not hasattr(model, 'predict_cams'):
        raise ValueError(f'--tags: {type(model).__name__} segments without tags')
    console = Console(highlight=False)
    console.print(f'{len(photos)} pictures, {args.device}, one at a time', markup=False)
    summary = args.out / 'results.json'
    results: dict[str, Any] = read_json(summary) if summary.is_file() else {}
    for photo in track(photos, description='looking', console=console):
        if photo.name in results and output_path(args.out, photo.name, '_overlay.png').is_file():
            continue
        results[photo.name] = look(model, photo, tags, args)
        write_json(summary, results)
    console.print(f'{args.out}: overlays, masks and maps of {len(photos)} pictures', markup=False)


def find_photos(words: list[str], every: int) -> list[Photo]:
    """Every picture that the words name, each name once.

    Raises:
        FileNotFoundError: A word names nothing.
        ValueError: A file of another kind, or two pictures of one name.
    """
    photos: list[Photo] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            for name in list_image_ids(path, IMAGE_SUFFIXES, what='photo'):
                (file,) = [
                    file
                    for file in path.glob(f'{glob.escape(name)}.*')
                    if file.suffix.lower() in IMAGE_SUFFIXES
                ][:1]
                photos.append(Photo(name, str(file), None))
            continue
        files = [path] if path.is_file() else [Path(found) for found in sorted(glob.glob(word))]
        if not files:
            raise FileNotFoundError(f'{word}: no such photo, folder, pattern or video')
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                photos += frames(file, every)
            elif file.suffix.lower() in IMAGE_SUFFIXES:
                photos.append(Photo(file.stem, str(file), None))
            else:
                raise ValueError(
                    f'{file}: neither a photo ({", ".join(IMAGE_SUFFIXES)}) nor a video '
                    f'({", ".join(VIDEO_SUFFIXES)})'
                )
    seen: dict[str, str] = {}
    for photo in photos:
        if photo.name in seen:
            raise ValueError(
                f'{photo.source} and {seen[photo.name]} have one name: look at them in two calls '
                f'with an --out each'
            )
        seen[photo.name] = photo.source
    return photos


def frames(path: Path, every: int) -> Iterator[Photo]:
    """Each ``every``-th frame of a video."""
    video = cv2.VideoCapture(str(path))
    try:
        number = 0
        while True:
            there, image = video.read()
            if not there:
                break
            if number % every == 0:
                yield Photo(f'{path.stem}_{number:06d}', f'{path}, frame {number}', image)
            number += 1
    finally:
        video.release()
    if not number:
        raise ValueError(f'{path}: not a video that OpenCV can read')


def look(
    model: Any, photo: Photo, tags: list[str] | None, args: argparse.Namespace
) -> dict[str, Any]:
    """Write the files of one picture; returns its entry of results.json."""
    image = read_image(photo.source) if photo.image is None else photo.image
    cams: list[tuple[str, np.ndarray]] = []
    entry: dict[str, Any] = dict(source=photo.source)
    if hasattr(model, 'predict_cams'):
        found = infer_cams(model, image, tags, max_side=args.max_side)
        write_cam(output_path(args.out, photo.name, '.npz'), found.classes, found.cams)
        cams = list(zip(found.names, found.cams))
        entry['scores'] = {
            name: round(float(found.scores[key]), 4)
            for name, key in zip(found.names, found.classes)
        }
    if cams and not getattr(model, 'segments', False):
        threshold = args.threshold
        if threshold is None:
            threshold = model.cfg.get('cam_threshold', 0.4)
        mask = labels_at_threshold(
            torch.from_numpy(found.cams), found.classes.tolist(), threshold
        ).numpy()
    else:
        mask = infer_masks(model, image, max_side=args.max_side)
    mask = mask.astype(np.uint8)
    write_mask(output_path(args.out, photo.name, '.png'), mask)
    labels, counts = np.unique(mask, return_counts=True)
    entry['shares'] = {
        model.class_names[label]: round(float(count / mask.size), 4)
        for label, count in zip(labels, counts)
    }
    sample = dict(
        id=photo.name, image=swap_channels(image), cams=cams, mask=mask, tags=[n for n, _ in cams]
    )
    path = output_path(args.out, photo.name, '_overlay.png')
    with atomic_open(path) as file:
        Image.fromarray(draw_cam_grid([sample], cell=320)).save(file, 'PNG')
    return entry


if __name__ == '__main__':
    sys.exit(run_main(main))
