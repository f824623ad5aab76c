"""Export of masks to annotation tools and import from them, one format per file."""

from .base import MaskFormat, MaskItem, ReadMask
from .coco import COCOFormat
from .cvat import CVATFormat
from .label_studio import LabelStudioFormat
from .labelme import LabelmeFormat
from .palette import PaletteFormat
from .yolo import YOLOFormat

FORMATS: dict[str, type[MaskFormat]] = dict(
    coco=COCOFormat,
    labelme=LabelmeFormat,
    labelstudio=LabelStudioFormat,
    cvat=CVATFormat,
    yolo=YOLOFormat,
    png=PaletteFormat,
)

__all__ = [
    'FORMATS',
    'COCOFormat',
    'CVATFormat',
    'LabelStudioFormat',
    'LabelmeFormat',
    'MaskFormat',
    'MaskItem',
    'PaletteFormat',
    'ReadMask',
    'YOLOFormat',
]
