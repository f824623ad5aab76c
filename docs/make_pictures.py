"""Draw the pictures of README and docs from a finished ``make demo``.

python docs/make_pictures.py --demo work_dirs/demo --data data/toy_shapes --out resources
"""

import argparse
import base64
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, read_cam, read_json, read_mask, read_rgb, read_tags
from mmwsss.visualization import (
    draw_cam_grid,
    encode_image,
    figure_to_png,
    overlay_cam,
    overlay_mask,
    plot_threshold_curve,
)

# distinct on textured backgrounds; the colours of the masks themselves are VOC's
PALETTE = np.full((256, 3), 255, np.uint8)  # white where a pseudo mask is uncertain
PALETTE[:9] = (
    (0, 0, 0),
    (225, 29, 72),
    (37, 99, 235),
    (202, 138, 4),
    (22, 163, 74),
    (147, 51, 234),
    (234, 88, 12),
    (14, 165, 233),
    (120, 53, 15),
)
SIDE = 320  # pixels of a picture inside the diagram, twice what is shown


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--demo', type=Path, default=Path('work_dirs/demo'), help='work dir of the demo'
    )
    parser.add_argument(
        '--data', type=Path, default=Path('data/toy_shapes'), help='toy data set of the demo'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('resources'), help='folder of the pictures'
    )
    parser.add_argument(
        '--diagram',
        default='test_00018',
        metavar='ID',
        help='test image of the diagram, with two tags',
    )
    parser.add_argument(
        '--samples',
        nargs='+',
        default=['test_00012', 'test_00013', 'test_00006'],
        metavar='ID',
        help='rows of the strip',
    )
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    samples = read_samples(args, [args.diagram, *args.samples])
    write(args.out / 'pipeline.svg', draw_pipeline(samples[0]).encode())
    write(
        args.out / 'toy_samples.png',
        quantized(draw_cam_grid(samples[1:], cell=176, palette=PALETTE)),
    )
    curve = read_json(args.demo / 'cam_test' / 'curves.json')['cam']
    write(args.out / 'threshold_curve.png', figure_to_png(plot_threshold_curve(curve)))


def write(path, content):
    with atomic_open(path) as file:
        file.write(content)


def read_samples(args, ids):
    """Image, tags, CAMs, pseudo mask, segmentation and ground truth of test images."""
    names = (args.data / 'classes.txt').read_text().split()
    tags = read_tags(args.data / 'image_tags.csv')
    masks = pseudo_masks(args, ids)
    samples = []
    for img_id in ids:
        maps = read_cam(args.demo / 'cam_test' / 'cams' / f'{img_id}.npz')
        samples.append(
            dict(
                id=img_id,
                tags=tags[img_id],
                labels=[int(key) + 1 for key in maps.keys],
                mask=masks[img_id],
                image=read_rgb(args.data / 'JPEGImages' / f'{img_id}.jpg'),
                cams=[
                    (names[key + 1], cam.astype(np.float32))
                    for key, cam in zip(maps.keys, maps.cam)
                ],
                seg=read_mask(args.demo / 'segmentation_test' / 'masks' / f'{img_id}.png'),
                gt=read_mask(args.data / 'SegmentationClass' / f'{img_id}.png'),
            )
        )
    return samples


def pseudo_masks(args, ids):
    """The demo makes pseudo masks of training images; do the same, by the same command, to test
    images.
    """
    made = read_json(args.demo / 'masks' / 'stage.json')['settings']
    arguments = [resolved(argument, args.demo) for argument in made['args']]
    command = [str(Path(__file__).parents[1] / 'tools' / made['tool']), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'list.txt').write_text('\n'.join(ids))
        for option, value in (
            ('--cams', args.demo / 'cam_test' / 'cams'),
            ('--images', args.data / 'JPEGImages'),
            ('--classes', args.data / 'classes.txt'),
            ('--out', folder),
        ):
            command[command.index(option) + 1] = str(value)
        subprocess.run(
            [sys.executable, *command, '--list', str(Path(folder) / 'list.txt')],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return {img_id: read_mask(Path(folder) / f'{img_id}.png') for img_id in ids}


def resolved(argument, demo):
    """An argument of a stage, a placeholder ``{<stage>:<metric>}`` replaced by the number."""
    stage, colon, key = argument.strip('{}').partition(':')
    if not argument.startswith('{') or not colon:
        return argument
    return str(read_json(demo / stage / 'metrics.json')[key])


def quantized(image):
    """PNG bytes with 256 colours, a third of the size."""
    buffer = io.BytesIO()
    Image.fromarray(image).quantize(256, dither=Image.Dither.NONE).save(
        buffer, 'PNG', optimize=True
    )
    return buffer.getvalue()


def draw_pipeline(sample):
    """The way from tags to segmentation as SVG text."""
    height, width = sample['image'].shape[:2]
    image = np.asarray(
        Image.fromarray(sample['image']).resize(
            (SIDE, round(SIDE * height / width)), Image.Resampling.BICUBIC
        )
    )
    big, small = (172, round(172 * height / width)), (128, round(128 * height / width))
    middle = 34 + big[1] // 2
    parts, x = [], 20

    def picture(left, size, pixels, caption, sub=''):
        top, center = middle - size[1] // 2, left + size[0] / 2
        parts.append(
            f'<image x="{left}" y="{top}" width="{size[0]}" height="{size[1]}" '
            f'href="{data_uri(pixels)}"/>'
            f'<rect x="{left}" y="{top}" width="{size[0]}" height="{size[1]}" rx="3" '
            f'class="frame"/>'
        )
        parts.append(
            f'<text x="{center}" y="{middle + big[1] // 2 + 26}" class="caption">{caption}</text>'
            if caption
            else ''
        )
        parts.append(
            f'<text x="{center}" y="{middle + big[1] // 2 + 46}" class="sub">{sub}</text>'
            if sub
            else ''
        )

    def chips(center, top, names, labels):
        widths = [9 * len(name) + 22 for name in names]
        left = center - (sum(widths) + 8 * (len(names) - 1)) / 2
        for name, label, chip in zip(names, labels, widths):
            colour = '#%02x%02x%02x' % tuple(PALETTE[label])
            parts.append(
                f'<rect x="{left}" y="{top}" width="{chip}" height="24" rx="12" fill="{colour}"/>'
                f'<text x="{left + chip / 2}" y="{top + 17}" class="chip">{name}</text>'
            )
            left += chip + 8

    def arrow(left, title, lines):
        parts.append(
            f'<path d="M{left + 8} {middle}h88" class="arrow" marker-end="url(#head)"/>'
            f'<text x="{left + 56}" y="{middle - 14}" class="step">{title}</text>'
        )
        parts.extend(
            f'<text x="{left + 56}" y="{middle + 24 + 17 * row}" class="sub">{line}</text>'
            for row, line in enumerate(lines)
        )

    names = [name for name, _ in sample['cams']]
    picture(x, big, image, 'photo and its tags')
    chips(x + big[0] / 2, middle + big[1] // 2 + 38, names, sample['labels'])
    x += big[0]
    arrow(x, 'MCTformer+', ('learns the tags,', 'one token each'))
    x += 112
    for (_, cam), name, label in zip(sample['cams'], names, sample['labels']):
        picture(x, small, overlay_cam(image, cam), '')
        chips(x + small[0] / 2, middle - small[1] // 2 - 34, [name], [label])
        x += small[0] + 8
    pair = len(names) * (small[0] + 8) - 8
    parts.append(
        f'<text x="{x - 8 - pair / 2}" y="{middle + big[1] // 2 + 26}" class="caption">class '
        f'activation maps</text>'
        f'<text x="{x - 8 - pair / 2}" y="{middle + big[1] // 2 + 46}" class="sub">where the '
        f'tokens look</text>'
    )
    x -= 8
    arrow(x, 'refine', ('PAR, CRF,', 'affinity walk'))
    x += 112
    picture(
        x, big, overlay_mask(image, sample['mask'], PALETTE, 0.6), 'pseudo mask', 'from tags alone'
    )
    x += big[0]
    arrow(x, 'DeepLab', ('learns the', 'pseudo masks'))
    x += 112
    picture(
        x,
        big,
        overlay_mask(image, sample['seg'], PALETTE, 0.6),
        'segmentation',
        'needs no tags any more',
    )
    total = x + big[0] + 20, big[1] + 112
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}"
 width="{total[0]}" height="{total[1]}">
<title>From image tags to segmentation: a photo and its tags, class activation maps,
a pseudo mask, a segmentation</title>
<style>text{{font-family:"Segoe UI",Helvetica,Arial,sans-serif;text-anchor:middle;fill:#1f2937}}
.caption{{font-size:17px;font-weight:600}}.sub{{font-size:13.5px;fill:#4b5563}}.step{{font-size:16px;font-weight:600;fill:#0f766e}}
.chip{{font-size:14px;font-weight:600;fill:#fff}}.frame{{fill:none;stroke:#d1d5db}}.arrow{{fill:none;stroke:#0f766e;stroke-width:2.5}}</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="5.5"
 markerHeight="5.5" orient="auto">
<path d="M0 0L10 5L0 10z" fill="#0f766e"/></marker></defs>
<rect x=".5" y=".5" width="{total[0] - 1}" height="{total[1] - 1}" rx="10" fill="#fff"
 stroke="#e5e7eb"/>
{''.join(parts)}
</svg>
"""


def data_uri(pixels):
    return 'data:image/jpeg;base64,' + base64.b64encode(encode_image(pixels, 'JPEG')).decode()


if __name__ == '__main__':
    sys.exit(run_main(main))
