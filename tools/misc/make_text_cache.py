"""Write the text embeddings of class names that TextCAM reads, with a CLIP of transformers. Only
this step needs transformers, and network access or a folder with the weights.
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--classes',
        type=Path,
        required=True,
        metavar='F',
        help='class names, one per line, background first',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='F', help='file <name>.npz')
    parser.add_argument(
        '--model',
        default='openai/clip-vit-base-patch16',
        help='folder of a CLIP of transformers, or its name on the hub (default: %(default)s)',
    )
    parser.add_argument(
        '--backgrounds',
        type=Path,
        metavar='F',
        help='file of background names, one per line (default: the 25 names of CLIP-ES)',
    )
    parser.add_argument(
        '--prompts',
        type=Path,
        metavar='F',
        help='other words for some classes, JSON: {"person": "person with clothes"}',
    )
    parser.add_argument(
        '--template', help="sentence around a name (default: 'a clean origami {}.')"
    )
    return parser.parse_args()


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.datasets.class_names import load_class_names
    from mmwsss.preparation.text_prompts import make_text_embeddings, read_names, read_prompts
    from mmwsss.utils.text_embeddings import read_text_embeddings

    classes = load_class_names(args.classes)[1:]
    options = dict(
        backgrounds=args.backgrounds and read_names(args.backgrounds),
        prompts=args.prompts and read_prompts(args.prompts),
        template=args.template,
    )
    make_text_embeddings(
        args.out,
        args.model,
        classes,
        **{name: value for name, value in options.items() if value is not None},
    )
    content = read_text_embeddings(args.out, classes)
    print(
        f'{args.out}: {len(classes)} classes and {len(content.names) - len(classes)} backgrounds, '
        f'prompt_hash={str(content.prompt_hash)!r}'
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
