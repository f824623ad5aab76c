"""Readers of the tag formats of other programs, one format per file."""

from .base import ReadOptions, TagReader, TagSource
from .class_folders import ClassFolderReader
from .coco import COCOReader
from .csv_table import CSVReader
from .cvat import CVATReader
from .excel import ExcelReader
from .label_studio import LabelStudioReader
from .label_studio_table import LabelStudioTableReader
from .labelme import LabelmeReader
from .mmpretrain import MMPretrainReader
from .photo_keywords import PhotoKeywordReader
from .tag_json import TagObjectReader, TagRecordReader
from .via import VIAReader
from .voc_xml import VOCReader
from .yolo import YOLOReader

# tried in this order, the general ones last
READERS: tuple[type[TagReader], ...] = (
    COCOReader,
    MMPretrainReader,
    LabelmeReader,
    VIAReader,
    LabelStudioReader,
    LabelStudioTableReader,
    TagRecordReader,
    TagObjectReader,
    CVATReader,
    VOCReader,
    ExcelReader,
    YOLOReader,
    ClassFolderReader,
    CSVReader,
)

__all__ = [
    'READERS',
    'COCOReader',
    'CSVReader',
    'CVATReader',
    'ClassFolderReader',
    'ExcelReader',
    'LabelStudioReader',
    'LabelStudioTableReader',
    'LabelmeReader',
    'MMPretrainReader',
    'PhotoKeywordReader',
    'ReadOptions',
    'TagObjectReader',
    'TagReader',
    'TagRecordReader',
    'TagSource',
    'VIAReader',
    'VOCReader',
    'YOLOReader',
]
