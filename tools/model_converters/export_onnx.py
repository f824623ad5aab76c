"""Export a trained classifier (tag scores and CAMs of all classes) or segmentation network (logits
and labels) to ONNX.

The image goes in as RGB, float32, 0..255; normalisation is inside. The file is compared with
PyTorch before it is written.
"""

import argparse
import sys

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.processes import require_one_process


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write, e.g. model.onnx')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='size of the images (default: that of the training)',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images a call (default: 1)')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-3,
        help='largest difference from PyTorch (default: 1e-3)',
    )
    parser.add_argument(
        '--opset', type=int, default=18, help='version of the operators (default: 18)'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    return parser.parse_args()


def main():
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import init_model
    from mmwsss.apis.onnx_export import export_onnx

    model = init_model(args.config, args.checkpoint, cfg_options=args.cfg_options)
    size = args.size or getattr(model.backbone, 'img_size', None) or model.cfg.get('crop_size')
    if size is None:
        raise ValueError(f'{args.config}: does not define an image size; pass --size H W')
    result = export_onnx(
        model,
        args.out,
        tuple(size),
        batch_size=args.batch_size,
        tolerance=args.tolerance,
        opset=args.opset,
    )
    print(f'{args.out}: image ({args.batch_size}, 3, {size[0]}, {size[1]}) RGB float32 0..255')
    for name, shape in result.outputs.items():
        what = (
            'pixels that differ from PyTorch'
            if name == 'labels'
            else 'largest difference from PyTorch'
        )
        print(f'  {name} {shape}: {what} {result.differences[name]:.1e}')


if __name__ == '__main__':
    sys.exit(run_main(main))
