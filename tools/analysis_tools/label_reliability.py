"""Measure the reliability of labels from class activation maps (CoSA, Figures 3, 5 and 9): accuracy
by confidence and by perplexity, mIoU of confident pixels, and mIoU, perplexity and error of images.

    python tools/analysis_tools/label_reliability.py step_8k=cams_8k step_32k=cams_32k \\
        --gt SegmentationClassAug --list val.txt --out work_dirs/reliability

Every folder of CAM files is one line of the plots: other iterations, main and auxiliary maps, with
and without RAW. A pixel takes the class of its largest map where that is at least the threshold,
and background elsewhere; its perplexity is that of Eq. 4.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track

from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, read_cam, read_id_list, read_mask, write_json
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tables import text_table

IGNORE = 255
COLUMNS = ('maps', 'mIoU %', 'confident mIoU %', 'confident pixels %', 'perplexity', 'MAE')


class Counts(NamedTuple):
    """Counters of one folder of maps.

    Attributes:
        all: (K,K) pixels by true and predicted class.
        confident: The same of pixels whose perplexity is at most epsilon.
        by_confidence: (2,bins) pixels, and correct pixels, by confidence.
        by_perplexity: (2,bins) the same by perplexity.
        images: mIoU, mean perplexity and mean absolute error to (1,0) of each image, by its id.
    """

    all: np.ndarray
    confident: np.ndarray
    by_confidence: np.ndarray
    by_perplexity: np.ndarray
    images: dict[str, tuple[float, float, float]]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('cams', nargs='+', metavar='[NAME=]D', help='folders of CAM files')
    parser.add_argument('--gt', type=Path, required=True, metavar='D', help='folder of masks')
    parser.add_argument('--list', type=Path, required=True, metavar='F', help='image ids')
    parser.add_argument('--classes', type=Path, help='class names, one per line (default: VOC)')
    parser.add_argument('--threshold', type=float, default=0.5, help='(default %(default)s)')
    parser.add_argument('--alpha', type=float, default=0.8, help='of Eq. 4 (default %(default)s)')
    parser.add_argument('--beta', type=float, default=1.0, help='of Eq. 4 (default %(default)s)')
    parser.add_argument(
        '--epsilon', type=float, default=1.0, help='confident up to it (default %(default)s)'
    )
    parser.add_argument('--bins', type=int, default=20, metavar='N', help='(default %(default)s)')
    parser.add_argument('--most', type=float, default=5.0, help='largest perplexity drawn')
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder of results')
    add_launcher_argument(parser)
    args = parser.parse_args(argv)
    if args.bins < 2 or args.most <= 0 or not 0 < args.threshold < 1:
        parser.error('--bins must be at least 2, --most positive, --threshold between 0 and 1')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Count the images of this process; the first one writes the results of all."""
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.datasets.class_names import load_class_names

    classes = load_class_names(args.classes) if args.classes else tuple(VOC_CLASSES)
    ids = read_id_list(args.list)
    folders: dict[str, Path] = {}
    for word in args.cams:
        name, _, folder = word.rpartition('=')
        name = name or Path(folder).name
        if name in folders:
            raise ValueError(f'{word}: two folders are named {name!r}; give them different names')
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'{folder}: folder of CAM files not found')
        folders[name] = Path(folder)
    counts = {}
    for name, folder in folders.items():
        own = count_folder(folder, processes.share(ids), len(classes), args, processes.is_first)
        counts[name] = merge([Counts(*part) for part in processes.gather(tuple(own))], ids)
    if not processes.is_first:
        return
    summary = {name: summarize(entry) for name, entry in counts.items()}
    write_results(args, counts, summary)
    print(text_table(COLUMNS, [(name, *entry.values()) for name, entry in summary.items()]))
    print(f'pictures: {args.out}')


def count_folder(
    folder: Path, ids: Sequence[str], num_classes: int, args: argparse.Namespace, shown: bool
) -> Counts:
    """Count images of a folder."""
    import torch

    from mmwsss.functional.reliability import reliability

    shape = (num_classes, num_classes)
    result = Counts(
        np.zeros(shape, np.int64), np.zeros(shape, np.int64),
        np.zeros((2, args.bins), np.int64), np.zeros((2, args.bins), np.int64), {},
    )  # fmt: skip
    for img_id in track(ids, description=folder.name, disable=not shown):
        maps = read_cam(folder / f'{img_id}.npz')
        truth = read_mask(args.gt / f'{img_id}.png', num_classes, maps.size)
        confidence, label = labels_of(maps.keys, maps.cam, maps.size, args.threshold)
        perplexity = 1 / reliability(
            torch.from_numpy(confidence), args.threshold, alpha=args.alpha, beta=args.beta
        ).numpy().clip(1e-12)
        known = truth != IGNORE
        own = count(label, truth, known, num_classes)
        result.all[:] += own
        result.confident[:] += count(
            label, truth, known & (perplexity <= args.epsilon), num_classes
        )
        correct = label == truth
        for target, values, most in (
            (result.by_confidence, confidence, 1.0),
            (result.by_perplexity, perplexity, args.most),
        ):
            bins = np.minimum((values / most * args.bins).astype(np.int64), args.bins - 1)
            inside = known & (values <= most)
            target[0] += np.bincount(bins[inside], minlength=args.bins)
            target[1] += np.bincount(bins[inside & correct], minlength=args.bins)
        finite = np.minimum(perplexity, args.most)
        error = np.abs(confidence - (label > 0))
        if known.any():
            numbers = (mean_iou(own), finite[known].mean(), error[known].mean())
            result.images[img_id] = tuple(map(float, numbers))
    return result


def merge(parts: Sequence[Counts], ids: Sequence[str]) -> Counts:
    """Counts of the images of all processes, in the order of the list."""
    images = {img_id: numbers for part in parts for img_id, numbers in part.images.items()}
    sums = [sum(arrays[1:], arrays[0]) for arrays in zip(*(part[:4] for part in parts))]
    return Counts(*sums, images={img_id: images[img_id] for img_id in ids if img_id in images})


def labels_of(
    keys: np.ndarray, cam: np.ndarray, size: tuple[int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Confidence (H,W) float32 and label (H,W) uint8 of every pixel."""
    if not len(keys):
        return np.zeros(size, np.float32), np.zeros(size, np.uint8)
    maps = cam.astype(np.float32)
    confidence = maps.max(0)
    label = (keys.astype(np.int64) + 1)[maps.argmax(0)]
    return confidence, np.where(confidence >= threshold, label, 0).astype(np.uint8)


def count(label: np.ndarray, truth: np.ndarray, chosen: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,K) of the chosen pixels."""
    import torch

    from mmwsss.functional.confusion import confusion_matrix

    truth = np.where(chosen, truth, IGNORE).astype(np.uint8)
    counts = confusion_matrix(torch.from_numpy(label), torch.from_numpy(truth), num_classes)
    return counts[:, :num_classes].numpy()


def mean_iou(counts: np.ndarray) -> float:
    """Percent, over the classes of the ground truth."""
    present = counts.sum(1) > 0
    union = counts.sum(0) + counts.sum(1) - np.diag(counts)
    return 100 * float((np.diag(counts)[present] / union[present]).mean()) if present.any() else 0.0


def summarize(counts: Counts) -> dict[str, float]:
    """Numbers of a folder."""
    images = np.array(list(counts.images.values()))
    return dict(
        mIoU=mean_iou(counts.all),
        confident_mIoU=mean_iou(counts.confident),
        confident_share=100 * float(counts.confident.sum() / max(1, counts.all.sum())),
        perplexity=float(images[:, 1].mean()),
        mae=float(images[:, 2].mean()),
    )


def accuracies(table: np.ndarray) -> list[float]:
    """Correct pixels of each bin in percent, NaN for an empty bin, of (2,bins) counts."""
    pixels, correct = table
    return (100 * correct / np.where(pixels, pixels, np.nan)).tolist()


def without_nan(values: list[float]) -> list[float | None]:
    """Values for JSON, which has no NaN."""
    return [None if np.isnan(value) else value for value in values]


def write_results(
    args: argparse.Namespace, counts: dict[str, Counts], summary: dict[str, dict[str, float]]
) -> None:
    """JSON and plots."""
    from mmwsss.visualization import figure_to_png, plot_boxes, plot_curve_families

    confidence: dict[str, list[float]] = {}
    perplexity: dict[str, list[float]] = {}
    density: dict[str, list[float]] = {}
    content: dict[str, Any] = {}
    for name, entry in counts.items():
        confidence[name] = accuracies(entry.by_confidence)
        perplexity[name] = accuracies(entry.by_perplexity)
        pixels = entry.by_confidence[0]
        density[name] = (100 * pixels / max(1, pixels.sum())).tolist()
        content[name] = dict(
            summary[name],
            accuracy=dict(
                by_confidence=without_nan(confidence[name]),
                by_perplexity=without_nan(perplexity[name]),
            ),
            confidence_share=density[name],
            images=list(entry.images.values()),
        )
    protocol = dict(
        threshold=args.threshold, alpha=args.alpha, beta=args.beta, epsilon=args.epsilon,
        tags='ground truth', list=str(args.list), most_perplexity=args.most,
    )  # fmt: skip
    write_json(args.out / 'label_reliability.json', dict(content, protocol=protocol))
    centers = (np.arange(args.bins) + 0.5) / args.bins
    percent = 'accuracy, percent'
    figures = dict(
        accuracy_by_confidence=plot_curve_families(
            centers, confidence, xlabel='confidence', ylabel=percent
        ),
        accuracy_by_perplexity=plot_curve_families(
            centers * args.most, perplexity, xlabel='perplexity', ylabel=percent
        ),
        confidences=plot_curve_families(
            centers, density, xlabel='confidence', ylabel='pixels, percent'
        ),
        images=plot_boxes(numbers_of_images(counts)),
    )
    for name, figure in figures.items():
        with atomic_open(args.out / f'{name}.png') as file:
            file.write(figure_to_png(figure))


def numbers_of_images(counts: dict[str, Counts]) -> dict[str, dict[str, list[float]]]:
    """Each number of the images, by its title and by the folder of maps."""
    numbers: dict[str, dict[str, list[float]]] = {}
    for index, title in enumerate(('mIoU, percent', 'perplexity', 'MAE to (1,0)')):
        numbers[title] = {}
        for name, entry in counts.items():
            numbers[title][name] = [image[index] for image in entry.images.values()]
    return numbers


if __name__ == '__main__':
    sys.exit(run_main(main))
