"""Checks of a readable table of tags."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.file_check import check_image
from mmwsss.utils.image_io import is_deep_color, open_image, orientation_of, shown_size

SMALLEST_SIDE = 16  # pixels, a patch
SMALLEST_SCALE = 0.5  # at which configs compute maps
TURNED = 'photos with an EXIF orientation (read as viewers show them; draw masks on that)'
DEEP = 'photos of more than 8 bits (their 0.5th to 99.5th percentile becomes 0..255)'
CLEAR = 'photos with transparent pixels (read as white)'
MOVING = 'animated images (their first picture is read)'
SMALL = 'photos so small that the smallest scales are skipped, for they have less than a patch'
FEW = 10  # fewest photos of a class without a note
NEARLY_ALL = 0.9  # fraction of the photos
SIMILAR, SHORTEST = 0.8, 5  # ratio of difflib, and length of names that are compared by it


def near_duplicates(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that probably mean the same: different case, punctuation, a plural or a typing
    error.

    Args:
        names (Sequence[str]): Different names. Names that differ only in their digits do not form a
            pair.

    Returns:
        list[tuple[str, str]]
    """
    plain = {name: re.sub(r'[\W_]+', '', name.casefold()) for name in names}
    without_digits = {name: re.sub(r'\d+', '0', key) for name, key in plain.items()}
    order = sorted(names)
    pairs: list[tuple[str, str]] = []
    for index, one in enumerate(order):
        for two in order[index + 1 :]:
            a, b = plain[one], plain[two]
            if (
                a == b
                or a + 's' == b
                or b + 's' == a
                or without_digits[one] != without_digits[two]
                and _similar(a, b)
            ):
                pairs.append((one, two))
    return pairs


def _similar(one: str, two: str) -> bool:
    if min(len(one), len(two)) < SHORTEST or abs(len(one) - len(two)) > 2:
        return False
    # inexpensive bounds first, because all pairs of names are compared
    matcher = difflib.SequenceMatcher(None, one, two, False)
    return matcher.quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR


def note_balance(
    table: Mapping[str, Sequence[str]], classes: Sequence[str], report: CheckReport
) -> Counter[str]:
    """Note all properties that make classes hard to learn from tags.

    Args:
        table (dict[str, list[str]]): Tags of each image.
        classes (Sequence[str]): Names without background.
        report (CheckReport): Report that receives the notes.

    Returns:
        Counter: Number of images of each class.
    """
    counts = Counter(chain.from_iterable(table.values()))
    for one, two in near_duplicates(classes):
        report.note(
            'near-duplicate names (--rename A=B joins them)',
            f'{one!r} and {two!r}',
            f'{counts[one]} and {counts[two]} photos',
        )
    for name in classes:
        _note_share(name, counts[name], len(table), report)
    _note_inseparable(table, classes, counts, report)
    for image, tags in table.items():
        if not tags:
            report.note('images without tags (they count as background)', image)
    return counts


def _note_share(name: str, count: int, total: int, report: CheckReport) -> None:
    """Note classes that occur in few or in nearly all photos."""
    if not count:
        report.note('class without a photo', name)
    elif count < FEW:
        report.note(f'class of fewer than {FEW} photos', name, count)
    if total and count == total:
        report.note('class that every photo shows: no photo without it to learn from', name)
    elif total and count > NEARLY_ALL * total:
        kind = f'class that more than {NEARLY_ALL:.0%} of the photos show'
        report.note(kind, name, f'{count} of {total}')


def _note_inseparable(
    table: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    counts: Counter[str],
    report: CheckReport,
) -> None:
    """Note classes that occur in exactly the same photos, unless these are all photos."""
    together: dict[frozenset[str], list[str]] = {}
    for name in classes:
        if counts[name]:
            members = frozenset(image for image, tags in table.items() if name in tags)
            together.setdefault(members, []).append(name)
    for members, names in together.items():
        if len(names) > 1 and len(members) < len(table):
            report.note(
                'classes that always occur together cannot be distinguished',
                ', '.join(names),
                f'{counts[names[0]]} photos',
            )


def note_photos(paths: list[tuple[str, bool]]) -> list[tuple[str, str, str]]:
    """Unusual properties of readable photos, for worker processes.

    Args:
        paths: As for :func:`check_photos`.

    Returns:
        (kind, file, detail) of photos that are turned by their EXIF orientation, have more than 8
        bits, transparency or several pictures, or lose scales because they are small.
    """
    notes = []
    for path, _ in paths:
        try:
            with open_image(path) as image:
                turn, size, mode = orientation_of(image), shown_size(image), image.mode
                deep = mode[:1] in 'IF' or is_deep_color(image)
                clear = mode in ('LA', 'PA', 'RGBA') or 'transparency' in image.info
                # except for JPEG, where the second picture of a camera is a preview
                several = getattr(image, 'is_animated', False)
                moving = several and image.format in ('GIF', 'WEBP', 'PNG')
        except (OSError, ValueError):  # reported as a problem
            continue
        if turn != 1 and image.format != 'TIFF':
            notes.append((TURNED, path, f'orientation {turn}, shown as {size[1]}x{size[0]}'))
        if deep:
            notes.append((DEEP, path, mode))
        if clear:
            notes.append((CLEAR, path, mode))
        if moving:
            notes.append((MOVING, path, str(image.format)))
        if SMALLEST_SIDE <= min(size) < SMALLEST_SIDE / SMALLEST_SCALE:
            notes.append((SMALL, path, f'{size[1]}x{size[0]} (width x height)'))
    return notes


def check_photos(paths: Sequence[tuple[str, bool]]) -> list[tuple[str, str, str]]:
    """Check several images, for worker processes.

    Args:
        paths (list[tuple[str, bool]]): Files, and whether to decode all of it.

    Returns:
        list: (kind, file, detail) of the images with a problem.
    """
    problems = []
    for path, decode in paths:
        size, wrong = check_image(path, decode)
        if wrong:
            problems.append(('truncated or unreadable image', path, wrong))
        elif size is not None and min(size) < SMALLEST_SIDE:
            problems.append(
                (
                    f'image of less than {SMALLEST_SIDE} pixels',
                    path,
                    f'{size[1]}x{size[0]} (width x height)',
                )
            )
    return problems


def inspect_photos(
    paths: list[tuple[str, bool]],
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """:func:`check_photos` and :func:`note_photos`, for worker processes."""
    return check_photos(paths), note_photos(paths)
