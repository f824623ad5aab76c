"""A page that shows what a model sees: upload a photo, tick tags, move the threshold, download the
mask.

    python demo/gradio_app.py work_dirs/demo/classifier/epoch_8.pth

The page is served on this machine alone; --host 0.0.0.0 lets others in the network see it.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import unit_number

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmwsss.apis import CAMs


OLDEST_GRADIO = 6


class Viewer:
    """What the page shows. The network runs for a new photo or other tags; another threshold only
    cuts the maps anew.

    Args:
        model (TagClassifier): Model of :func:`mmwsss.apis.init_model`.
        max_side (int): Larger photos are made smaller for the network.
        folder (str | Path): Where masks to download are put.
    """

    def __init__(self, model: Any, *, max_side: int = 1024, folder: str | Path = '') -> None:
        if not hasattr(model, 'predict_cams'):
            raise ValueError(f'{type(model).__name__} computes no maps: use a classifier')
        self.model = model
        self.max_side = max_side
        self.folder = Path(folder or tempfile.mkdtemp(prefix='mmwsss_masks_'))
        self.tags = tuple(model.class_names[1:])

    def look(self, photo: 'Image | None', tags: list[str]) -> 'CAMs | None':
        """Maps of a photo; without tags those of the predicted classes."""
        from mmwsss.apis import infer_cams

        if photo is None:
            return None
        return infer_cams(self.model, photo, tags or None, max_side=self.max_side)

    def show(
        self, found: 'CAMs | None', threshold: float
    ) -> tuple['Image | None', str, str | None]:
        """Overlay, a sentence, and the file of the mask."""
        if found is None:
            return None, 'Upload a photo.', None
        mask = found.cut(threshold)
        share = float((mask > 0).mean())
        # a folder of its own: several people may look at the page
        file = mask.save(Path(tempfile.mkdtemp(dir=self.folder)) / 'mask.png')
        said = ', '.join(f'{name} {found.scores[key]:.0%}' for name, key in _scored(found))
        text = f'{said or "No tag"}. {share:.0%} of the photo is not background.'
        return mask.overlay(), text, str(file)


def _scored(found: 'CAMs') -> list[tuple[str, int]]:
    return list(zip(found.names, found.classes.tolist()))


def build_page(viewer: Viewer) -> Any:
    """The page.

    Raises:
        ValueError: Gradio is not installed, or too old.
    """
    try:
        import gradio
    except ImportError as error:
        raise ValueError(
            f"the page needs Gradio: pip install gradio (or 'mmwsss[demo]'); {error}"
        ) from error
    if int(gradio.__version__.partition('.')[0]) < OLDEST_GRADIO:
        raise ValueError(
            f'the page needs Gradio {OLDEST_GRADIO}, found {gradio.__version__}: '
            f'pip install --upgrade gradio'
        )
    with gradio.Blocks(title='mmwsss', analytics_enabled=False) as page:
        gradio.Markdown('# What is where?\nUpload a photo and tick what it shows.')
        found = gradio.State()
        with gradio.Row():
            with gradio.Column():
                photo = gradio.Image(type='pil', label='Photo')
                tags = gradio.CheckboxGroup(
                    list(viewer.tags), label='It shows (nothing ticked: the model guesses)'
                )
                threshold = gradio.Slider(
                    0, 1, viewer.model.cfg.get('cam_threshold', 0.4), label='Background threshold'
                )
            with gradio.Column():
                overlay = gradio.Image(
                    label='Mask', interactive=False, buttons=['download', 'fullscreen']
                )
                text = gradio.Markdown('Upload a photo.')
                file = gradio.File(label='Download')
        shown = [overlay, text, file]
        for part in (photo, tags):
            change = part.change(viewer.look, [photo, tags], found)
            change.then(viewer.show, [found, threshold], shown)
        threshold.change(viewer.show, [found, threshold], shown)
    return page


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='trained weights of a classifier')
    parser.add_argument('--config', help='config of the model (default: the one they record)')
    parser.add_argument('--device', default='auto', help='e.g. cpu or cuda:1 (default: auto)')
    parser.add_argument('--max-side', type=int, default=1024, metavar='PX')
    parser.add_argument(
        '--threshold', type=unit_number, metavar='T', help='where the slider starts'
    )
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=7860)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmwsss.apis import init_model

    model = init_model(args.config, args.checkpoint, args.device)
    if args.threshold is not None:
        model.cfg.cam_threshold = args.threshold
    page = build_page(Viewer(model, max_side=args.max_side))
    page.launch(server_name=args.host, server_port=args.port, show_error=True)


if __name__ == '__main__':
    sys.exit(run_main(main))
