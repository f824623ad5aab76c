"""Several views of one image."""

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from mmwsss.registry import TRANSFORMS

SOURCES = ('base', 'original')


@TRANSFORMS.register_module()
class MultiViews(BaseTransform):
    """Create ``views``, several versions of an image (ToCo, MCC, CoSA).

    The transforms ``base`` are applied first; their result, including tags and box, continues in
    the pipeline. Each view is then created from a copy of it by further transforms, of which only
    the image is kept, so that views without geometric transforms share their geometry. A view with
    ``source='original'`` starts from the image before ``base``.

    Args:
        views (Sequence[Sequence[dict] | dict]): Transforms of each view, or ``dict(source='base' |
            'original', steps=[...])``.
        base (Sequence[dict]): Transforms that all views of the source ``'base'`` share.

    Raises:
        ValueError: No view is given, a source is unknown, or a transform dropped the image of a
            view.
    """

    def __init__(self, views: Sequence[Any], *, base: Sequence[dict[str, Any]] = ()) -> None:
        if not views:
            raise ValueError('MultiViews needs the transforms of at least one view')
        self.base = Compose([TRANSFORMS.build(step) for step in base])
        self.views = []
        for view in views:
            view = view if isinstance(view, dict) else dict(steps=view)
            source = view.get('source', 'base')
            if source not in SOURCES or not set(view) <= {'source', 'steps'}:
                raise ValueError(
                    f'MultiViews: a view is a list of transforms or dict(source={SOURCES}, '
                    f'steps=[...]), got {view}'
                )
            self.views.append(
                (source, Compose([TRANSFORMS.build(step) for step in view.get('steps', ())]))
            )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the views to ``results``; ``img`` becomes that of ``base``."""
        original = dict(results)
        sources = dict(original=original, base=self._apply(self.base, dict(results)))
        images = [
            self._apply(steps, {**sources[source], 'img': sources[source]['img'].copy()})['img']
            for source, steps in self.views
        ]
        return dict(sources['base'], views=images)

    @staticmethod
    def _apply(steps: Compose, results: dict[str, Any]) -> dict[str, Any]:
        path = results.get('img_path')
        transformed = steps(results)
        if transformed is None:
            raise ValueError(f'{path}: a transform of a view dropped this image')
        return transformed
