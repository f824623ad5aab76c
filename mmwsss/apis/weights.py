"""Check of the external weights that a config or a pipeline needs, before anything runs."""

import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from mmengine.config import Config

from mmwsss.utils.checkpoint_files import check_checkpoint

# options of backbones that freeze layers or statistics
FREEZING = ('frozen_bn', 'norm_eval')
TIMEOUT = 2.0  # seconds
SHORT = ('torchvision://', 'open-mmlab://')  # names of MMEngine's tables


class External(NamedTuple):
    """Published weights.

    Attributes:
        name: File name.
        size: Size in megabytes, rounded.
        sha256: Published beginning of the hash; empty if none is published.
        source: Page that offers the file.
        what: Description of the content.
        used_by: Configs that are initialised from it.
    """

    name: str
    size: int
    sha256: str
    source: str
    what: str
    used_by: str


_DEIT = 'https://github.com/facebookresearch/deit'
_DINOV2 = 'https://github.com/facebookresearch/dinov2'
_TIMM = 'https://github.com/rwightman/pytorch-image-models/releases/tag/v0.1-vitjx'
CATALOG = (
    External(
        'deit_small_patch16_224-cd65a155.pth',
        88,
        'cd65a155',
        _DEIT,
        'DeiT-S, ImageNet',
        'mctformer_*, mctformer_plus_*, aream_*, acr_deit-s_voc',
    ),
    External(
        'deit_base_patch16_224-b5f2ef4d.pth',
        346,
        'b5f2ef4d',
        _DEIT,
        'DeiT-B, ImageNet',
        'mcc_*, toco_*',
    ),
    External(
        'deit_base_patch16_384-8de9b5d1.pth',
        347,
        '8de9b5d1',
        _DEIT,
        'DeiT-B at 384, ImageNet',
        'ablations/acr_deit-b_voc',
    ),
    External(
        'jx_vit_base_p16_224-80ecf9dd.pth',
        346,
        '80ecf9dd',
        _TIMM,
        'ViT-B, ImageNet-21k and ImageNet',
        'cosa_*, cosa-paper_*',
    ),
    External(
        'jx_vit_base_resnet50_384-9fd3c705.pth',
        396,
        '9fd3c705',
        _TIMM,
        'ViT-hybrid-B at 384, ImageNet-21k and ImageNet',
        'acr_voc, acr_coco',
    ),
    External(
        'jx_vit_base_p16_384-83fb41ba.pth',
        347,
        '83fb41ba',
        _TIMM,
        'ViT-B at 384, ImageNet-21k and ImageNet',
        'ablations/acr_vit-b_voc',
    ),
    External(
        'dinov2_vits14_pretrain.pth',
        88,
        '',
        _DINOV2,
        'DINOv2-S/14, images without labels (LVD-142M)',
        'mctformer_plus_dinov2-s_voc',
    ),
    External(
        'dinov2_vitb14_pretrain.pth',
        346,
        '',
        _DINOV2,
        'DINOv2-B/14, images without labels (LVD-142M)',
        'cosa_dinov2-b_voc',
    ),
    External(
        'dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth',
        343,
        '73cec8be',
        'https://github.com/facebookresearch/dinov3',
        'DINOv3-B/16, images without labels (LVD-1689M), under a licence of its own',
        'cosa_dinov3-b_voc',
    ),
    External(
        'pytorch_model.bin',
        599,
        '',
        'https://huggingface.co/openai/clip-vit-base-patch16',
        'CLIP ViT-B/16, images with captions',
        'mcc_clip-b_voc',
    ),
    External(
        'res38_cls.pth',
        420,
        '',
        'https://github.com/jiwoon-ahn/psa',
        "ResNet-38, PSA's classifier of VOC (image tags of VOC, no masks)",
        'psa_*, deeplabv1_r38_*',
    ),
    External(
        'resnet50-0676ba61.pth',
        103,
        '0676ba61',
        'https://docs.pytorch.org/vision/stable/models.html',
        'ResNet-50, ImageNet',
        'irn_*',
    ),
    External(
        'resnet101_msra-6cc46731.pth',
        178,
        '6cc46731',
        'https://github.com/open-mmlab/mmengine',
        'ResNet-101 in the Caffe style, ImageNet (no COCO masks)',
        'deeplabv2_r101_*',
    ),
    External(
        'swin_base_patch4_window7_224_22k_20220317-4f79f7c0.pth',
        438,
        '4f79f7c0',
        'https://github.com/open-mmlab/mmsegmentation/tree/main/configs/swin',
        'Swin-B, ImageNet-22k',
        'upernet_swin-b_*',
    ),
)


class Need(NamedTuple):
    """File of weights that a run reads.

    Attributes:
        place: File, or URL that is downloaded once.
        file: Local path of the file or of its download.
        option: Override of the config that selects another file.
    """

    place: str
    file: Path
    option: str

    @property
    def is_url(self) -> bool:
        """Whether it is downloaded."""
        return '://' in self.place

    @property
    def external(self) -> External | None:
        """Known information about the file."""
        return next((entry for entry in CATALOG if entry.name == self.file.name), None)

    def describe(self) -> str:
        """Source of the file and the place to put it, in one line."""
        known = self.external
        what = f' ({known.what}, {known.size} MB)' if known else ''
        source = known.source if known else 'its authors'
        if self.is_url:
            return f'{self.place}{what}: download it and put it at {self.file}'
        return f'{self.place}{what}: get it from {source} and put it there, or set {self.option}'


def needed_weights(config: Config) -> list[Need]:
    """Weights that a training run reads before its first step.

    Args:
        config: Config after all overrides.

    Raises:
        ValueError: Layers or statistics are frozen without weights, so that they would stay random.
    """
    for place, node in _dicts(config.get('model') or {}, 'model'):
        _check_frozen(config, node, place)
    return [_need(place, option) for place, option in _named(config)]


def plain_weights(config: Config) -> list[Need]:
    """:func:`needed_weights` without PyTorch: neither short names of MMEngine nor frozen layers are
    checked.

    Args:
        config: Config after all overrides.
    """
    return [_need(place, option) for place, option in _named(config) if not place.startswith(SHORT)]


def _named(config: Config) -> Iterator[tuple[str, str]]:
    """Files and URLs in a config, with the options that contain them."""
    if config.get('load_from'):
        yield config.load_from, 'load_from'
    for place, node in _dicts(config.get('model') or {}, 'model'):
        checkpoint = node.get('checkpoint')
        if str(node.get('type')).endswith('Pretrained') and isinstance(checkpoint, str):
            yield checkpoint, f'{place}.checkpoint'
        elif isinstance(node.get('weighting'), str) and node['weighting'].endswith('.json'):
            yield node['weighting'], f'{place}.weighting'


def missing_weights(needs: Iterable[Need]) -> list[Need]:
    """Weights that are neither on this machine nor available for download.

    A URL counts as missing if its file is not in the cache and its server does not respond within
    seconds. With ``MMWSSS_OFFLINE=1`` no server is contacted.

    Args:
        needs: Requirements, each checked once.
    """
    unique = list({need.place: need for need in needs}.values())
    absent = [need for need in unique if not need.file.is_file()]
    urls = [need.place for need in absent if need.is_url]
    with ThreadPoolExecutor(max(len(urls), 1)) as pool:
        reachable = dict(zip(urls, pool.map(is_reachable, urls)))
    return [need for need in absent if not reachable.get(need.place, False)]


def check_weights(needs: Iterable[Need]) -> None:
    """Report every missing file once, and reject damaged ones.

    Raises:
        FileNotFoundError: Files are missing. The message says where to get each of them and where
            to put it.
        ValueError: A file is not a checkpoint, or is damaged.
    """
    needs = list(needs)
    missing = missing_weights(needs)
    if missing:
        count = f'{len(missing)} file{"s" * (len(missing) > 1)} of weights missing'
        raise FileNotFoundError(
            f'{count}: {"; ".join(need.describe() for need in missing)} '
            f'(docs/user_guides/weights.md)'
        )
    for file in {need.file for need in needs if need.file.is_file()}:
        check_checkpoint(file)


def is_reachable(url: str) -> bool:
    """Whether a server provides a file."""
    if os.environ.get('MMWSSS_OFFLINE') == '1':
        return False
    try:
        with urlopen(Request(url, method='HEAD'), timeout=TIMEOUT):
            return True
    except (URLError, OSError, ValueError):
        return False


def _need(place: str, option: str) -> Need:
    url = _resolve(place)
    if '://' not in url:
        return Need(url, Path(url).expanduser(), option)
    name = Path(urlparse(url).path).name
    return Need(url, _hub_dir() / 'checkpoints' / name, option)


def _hub_dir() -> Path:
    """Download folder of PyTorch, determined without importing it."""
    if 'torch' in sys.modules:  # a program may have changed it
        return Path(sys.modules['torch'].hub.get_dir())
    cache = Path(os.environ.get('XDG_CACHE_HOME', '~/.cache'))
    return Path(os.environ.get('TORCH_HOME', cache / 'torch')).expanduser() / 'hub'


def _resolve(place: str) -> str:
    """URL behind the short names of MMEngine."""
    if not place.startswith(SHORT):
        return place
    # the tables are long and read from files, hence only loaded when needed
    from mmengine.runner.checkpoint import get_external_models, get_torchvision_models

    for prefix, table in zip(SHORT, (get_torchvision_models, get_external_models)):
        if place.startswith(prefix):
            return table().get(place.removeprefix(prefix), place)
    return place


def _dicts(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        yield place, node
        for key, value in node.items():
            yield from _dicts(value, f'{place}.{key}')
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _dicts(value, f'{place}.{index}')


def _check_frozen(config: Config, node: Mapping[str, Any], place: str) -> None:
    """Reject frozen layers that would keep random weights."""
    if place.rpartition('.')[2] != 'backbone' or config.get('load_from'):
        return
    initial = node.get('init_cfg') or (config.get('model') or {}).get('init_cfg')
    entries = initial if isinstance(initial, (list, tuple)) else [initial or {}]
    if any(entry.get('type') for entry in entries):
        return  # weights are given, or random ones are intended
    settings = {**_defaults(node), **node}
    stages = settings.get('frozen_stages')
    frozen = [f'{name}=True' for name in FREEZING if settings.get(name) is True]
    if isinstance(stages, int) and stages >= 0:
        frozen.append(f'frozen_stages={stages}')
    if frozen:
        raise ValueError(
            f'{config.filename}: {place} ({node.get("type")}) freezes layers '
            f'({", ".join(frozen)}) but names no weights, so they would stay random: set '
            f'{place}.init_cfg.type=Pretrained {place}.init_cfg.checkpoint=FILE '
            f'(docs/user_guides/weights.md), or an initialiser such as Kaiming on purpose'
        )


def _defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of the constructor of a backbone."""
    from .overrides import constructor_options, find_component  # imports the registries

    component = find_component(node.get('type'), node.get('_scope_'))
    if not inspect.isclass(component) or constructor_options(component) is None:
        return {}
    defaults: dict[str, Any] = {}
    for parent in component.__mro__:
        if '__init__' in vars(parent) and parent is not object:
            for entry in inspect.signature(vars(parent)['__init__']).parameters.values():
                if entry.default is not entry.empty:
                    defaults.setdefault(entry.name, entry.default)
    return defaults
