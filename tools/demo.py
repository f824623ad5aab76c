"""Draw the predictions of a trained model for photos: overlays, masks and maps.

    python tools/demo.py photo.jpg my_folder 'trip/*.png' clip.mp4 --tags dog,sofa \\
        --config configs/mctformer_plus_tags_cpu.py --checkpoint epoch_20.pth --out work_dirs/look

For every photo the folder contains <name>_overlay.png (photo, map of each class, mask, with a
legend), <name>.png (mask), <name>.npz (maps) and an entry of results.json: classes, scores, share
of the photo. Without --tags the predicted tags are used. Photos whose results exist are skipped.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.apis.photo_options import add_photo_arguments, set_photos
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction, unit_number
from mmwsss.utils.processes import require_one_process

if TYPE_CHECKING:
    from mmwsss.apis.photo_inputs import Photo

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm')
LEARN = (
    'train one on your photos first (docs/user_guides/own_data.md; with '
    'configs/mctformer_plus_tags_cpu.py about ten minutes on a laptop)'
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', nargs='+', help='files, folders, patterns or videos')
    parser.add_argument('--tags', metavar='A,B', help='tags of the photos (default: predicted)')
    parser.add_argument(
        '--config', metavar='C', help='config of the model (default: the one its weights record)'
    )
    parser.add_argument('--checkpoint', metavar='F', help='its trained weights')
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder to write to')
    parser.add_argument(
        '--threshold',
        type=unit_number,
        metavar='T',
        help='background threshold of the maps in [0,1] (default: that of the config, else 0.4)',
    )
    parser.add_argument(
        '--max-side',
        type=int,
        default=1024,
        metavar='PX',
        help='larger photos are downscaled for the network (default %(default)s)',
    )
    add_photo_arguments(parser)
    parser.add_argument(
        '--every', type=int, default=25, metavar='N', help='videos: each N-th frame (default 25)'
    )
    parser.add_argument(
        '--device',
        default='auto',
        help='e.g. cpu or cuda:1 (default: the first accelerator, else the CPU)',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    if args.every < 1:
        parser.error('--every must be at least 1')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_one_process()
    if args.checkpoint is None:
        raise ValueError(f'name a trained model with --checkpoint; or {LEARN}')
    # after the arguments: --help and a mistyped option answer at once
    from rich.console import Console
    from rich.progress import track

    from mmwsss.apis import init_model
    from mmwsss.utils.io import read_json, write_json
    from mmwsss.utils.locks import lock_folders
    from mmwsss.utils.names import output_path
    from mmwsss.utils.output_folder import is_finished, release_output_folder

    photos = find_photos(args.photos, args.every)
    tags = None if args.tags is None else [tag.strip() for tag in args.tags.split(',')]
    model = init_model(args.config, args.checkpoint, args.device, args.cfg_options)
    check_tags(model, tags)
    set_photos(model.cfg, args)
    console = Console(highlight=False)
    device = next(model.parameters()).device
    number = '1 picture' if len(photos) == 1 else f'{len(photos)} pictures'
    console.print(f'{number}, {device}, one at a time', markup=False)
    summary = args.out / 'results.json'
    with lock_folders(args.out, tool='demo.py'):
        claim(args, model, photos)
        results: Any = read_json(summary) if summary.is_file() else {}
        if not isinstance(results, dict):
            raise ValueError(f'{summary}: holds no results; delete it and run again')
        try:
            for photo in track(photos, description='looking', console=console):
                picture = output_path(args.out, photo.name, '_overlay.png')
                if photo.name in results and is_finished(picture):
                    continue
                results[photo.name] = look(model, photo, tags, args)
                write_json(summary, results)
        except (ValueError, OSError):
            if not results:
                release_output_folder(args.out)
            raise
    console.print(f'{args.out}: overlays, masks and maps of {number}', markup=False)


def claim(args: argparse.Namespace, model: Any, photos: list['Photo']) -> None:
    """Refuse a folder of results of another model, other options or other photos."""
    import hashlib

    from mmwsss.utils.fingerprint import digest_settings, fingerprint, fingerprint_checkpoint
    from mmwsss.utils.names import output_path
    from mmwsss.utils.output_folder import claim_output_folder

    settings = dict(
        checkpoint=fingerprint_checkpoint(args.checkpoint),
        config=None if args.config is None else Path(args.config).name,
        model=digest_settings(model.cfg.model),
        pipeline=digest_settings(model.cfg.test_dataloader.dataset.pipeline),
        tags=args.tags,
        threshold=args.threshold,
        max_side=args.max_side,
    )
    inputs = {
        photo.name: fingerprint(photo.source)
        if photo.pixels is None
        else hashlib.sha256(photo.pixels.tobytes()).hexdigest()
        for photo in photos
    }
    claim_output_folder(
        args.out,
        settings,
        inputs=inputs,
        output=lambda name: output_path(args.out, name, '_overlay.png'),
    )


def check_tags(model: Any, tags: list[str] | None) -> None:
    """Refuse tags that the model does not know, before anything is written."""
    unknown = sorted({*(tags or ())} - {*model.class_names[1:]})
    if unknown:
        raise ValueError(
            f'--tags: {unknown[0]!r} is not a known class; the model knows '
            f'{", ".join(model.class_names[1:])}'
        )
    if tags is not None and not hasattr(model, 'predict_cams'):
        raise ValueError(f'--tags: {type(model).__name__} segments without tags')


def find_photos(words: list[str], every: int) -> list['Photo']:
    """Every picture that the words name, each name once.

    Raises:
        FileNotFoundError: A word names nothing.
        ValueError: A file of another kind, or two pictures of one name.
    """
    from mmwsss.apis.photo_inputs import gather_photos
    from mmwsss.utils.file_lookup import IMAGE_SUFFIXES

    photos: list[Photo] = []
    for word in words:
        suffix = Path(word).suffix.lower()
        if Path(word).is_file() and suffix in VIDEO_SUFFIXES:
            photos += frames(Path(word), every)
            continue
        if Path(word).is_file() and suffix not in IMAGE_SUFFIXES:
            raise ValueError(
                f'{word}: neither a photo ({", ".join(IMAGE_SUFFIXES)}) nor a video '
                f'({", ".join(VIDEO_SUFFIXES)})'
            )
        found, single = gather_photos(word)
        if single and not Path(word).is_file():
            raise FileNotFoundError(f'{word}: no photo, folder, pattern or video of this name')
        photos += found
    seen: dict[str, str] = {}
    for photo in photos:
        if photo.name in seen:
            raise ValueError(
                f'{photo.source} and {seen[photo.name]} have the same name; run the tool '
                f'twice with different --out'
            )
        seen[photo.name] = photo.source
    return photos


def frames(path: Path, every: int) -> Iterator['Photo']:
    """Each ``every``-th frame of a video."""
    import cv2

    from mmwsss.apis.photo_inputs import Photo

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
    model: Any, photo: 'Photo', tags: list[str] | None, args: argparse.Namespace
) -> dict[str, Any]:
    """Write the files of one picture; returns its entry of results.json."""
    import numpy as np
    from PIL import Image

    from mmwsss.apis import infer_cams, infer_masks
    from mmwsss.utils.io import atomic_open, swap_channels
    from mmwsss.utils.names import output_path
    from mmwsss.visualization import draw_cam_grid

    entry: dict[str, Any] = dict(source=photo.source)
    options: dict[str, Any] = dict(max_side=args.max_side)
    if hasattr(model, 'predict_cams'):
        found = infer_cams(model, photo, tags, threshold=args.threshold, **options)
        found.save(args.out)
        mask = found.mask
        entry['scores'] = {
            name: round(float(found.scores[key]), 4)
            for name, key in zip(found.names, found.classes)
        }
    else:
        mask = infer_masks(model, photo, **options)
        mask.save(args.out)
        sample = dict(id=photo.name, image=swap_channels(photo.read()), mask=np.asarray(mask))
        with atomic_open(output_path(args.out, photo.name, '_overlay.png')) as file:
            Image.fromarray(draw_cam_grid([sample], cell=320)).save(file, 'PNG')
    labels, counts = np.unique(mask, return_counts=True)
    entry['shares'] = {
        model.class_names[label]: round(float(count / mask.size), 4)
        for label, count in zip(labels, counts)
    }
    return entry


if __name__ == '__main__':
    sys.exit(run_main(main))
