"""Several views of one image."""

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from mmwsss.registry import TRANSFORMS

SOURCES = ('base', 'original')


@TRANSFORMS.register_module()
class MultiViews(BaseTransform):
    """Make ``views``, several versions of an image (ToCo, MCC, CoSA).

    First come the transforms ``base``, whose result, tags and box included, goes on in the
    pipeline. Each view is then created from a copy of it by transforms of its own, of which only
    the image is kept: views without geometric transforms share their geometry. A view with
    ``source='original'`` starts from the image as it was before ``base``.

    Args:
        views (Sequence[Sequence[dict] | dict]): Per view its transforms, or ``dict(source='base' |
            'original', steps=[...])``.
        base (Sequence[dict]): Transforms that all views of the source ``'base'`` share.

    Raises:
        ValueError: No view or an unknown source; an image without a view because a transform
            dropped it.
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
