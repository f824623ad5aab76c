"""MCTformer V1 and V2: one class token per class (CVPR 2022; MCTformer+ paper sections III-A to III-C)."""
from torch.nn import functional as F

from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.cam import fuse_cams, refine_with_affinity
from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import is_bare_vit, is_official_mctformer, translate_official_mctformer, unwrap_state_dict

from .base import TagClassifier


@MODELS.register_module()
class MCTformer(TagClassifier):
    """A class token per class whose attention to the patches is the map of its class.

    V1 has no patch head; V2 multiplies the attention by the class maps of a convolutional patch head.

    Args:
        backbone (dict): :class:`TokenViT`; ``num_class_tokens`` is set to ``num_classes`` where it is not given.
        num_classes (int): C.
        class_head (dict, optional): :class:`ClassTokenHead`.
        patch_head (dict, optional): :class:`PatchCAMHead`; None for V1.
        test_cfg (dict): Besides the options of :class:`TagClassifier`: ``map_type`` (``'fused'``, ``'mct'``, ``'patchcam'``),
            ``attention_layers`` (class attention is averaged over the last K layers; None for all), ``affinity_layers`` (patch
            affinity is summed over the last layers; None for all), ``fuse_sqrt``.
    """

    default_test_cfg = dict(TagClassifier.default_test_cfg, map_type=None, attention_layers=3, affinity_layers=None, fuse_sqrt=False)

    def __init__(self, backbone, num_classes, *, class_head=None, patch_head=None, test_cfg=None, data_preprocessor=None, init_cfg=None):
        backbone = dict(backbone)
        backbone.setdefault('num_class_tokens', num_classes)
        super().__init__(backbone, num_classes, test_cfg=test_cfg, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if self.backbone.num_class_tokens != num_classes:
            raise ValueError(f'{type(self).__name__} needs a class token per class: {self.backbone.num_class_tokens} tokens, '
                             f'{num_classes} classes')
        embed_dims = self.backbone.embed_dims
        self.class_head = MODELS.build(dict(type='mmwsss.ClassTokenHead') | dict(class_head or {}))
        self.patch_head = None
        if patch_head is not None:
            self.patch_head = MODELS.build(
                dict(type='mmwsss.PatchCAMHead', num_classes=num_classes, embed_dims=embed_dims) | dict(patch_head))
        if self.test_cfg['map_type'] is None:
            self.test_cfg['map_type'] = 'mct' if patch_head is None else 'fused'
        self._register_load_state_dict_pre_hook(self._translate_official)

    def loss(self, inputs, data_samples):
        """Multi-label soft margin loss of class tokens and, with a patch head, of the pooled patch maps."""
        tags = self.gt_tags(data_samples, inputs)
        return self.classification_losses(self.backbone(inputs), tags)

    def classification_losses(self, features, tags):
        """``loss_cls`` and ``loss_patch`` (MCTformer+ Eq. 5 and 9)."""
        losses = dict(loss_cls=F.multilabel_soft_margin_loss(self.class_head(features.class_tokens).float(), tags))
        if self.patch_head is not None:
            patch_logits = self.patch_head.pool(self.patch_head(features.patch_map))
            losses['loss_patch'] = F.multilabel_soft_margin_loss(patch_logits.float(), tags)
        return losses

    def extract(self, inputs):
        """Features with the attention that the maps need, and the patch class maps."""
        requests = []
        if self.test_cfg['map_type'] != 'patchcam':
            requests.append(AttentionRequest('class_to_patch', layers=self.test_cfg['attention_layers'], reduce='mean'))
        if self.test_cfg['refine']:
            requests.append(AttentionRequest('patch_to_patch', layers=self.test_cfg['affinity_layers'], reduce='sum'))
        features = self.backbone(inputs, attention=requests)
        patch_cams = None if self.patch_head is None else self.patch_head(features.patch_map)
        return features, patch_cams

    def scores_of(self, extracted):
        features, patch_cams = extracted
        logits = self.class_head(features.class_tokens)
        if patch_cams is not None:
            logits = self.combine_logits(logits, self.patch_head.pool(patch_cams))
        return logits.sigmoid()

    def combine_logits(self, class_logits, patch_logits):
        """V1 and V2 score with the class tokens alone."""
        return class_logits

    def maps_of(self, extracted, keys):
        """Fused maps, refined by the patch affinity (MCTformer+ sections III-B, III-C)."""
        features, patch_cams = extracted
        attention = list(features.attention)
        class_attention = None
        if self.test_cfg['map_type'] != 'patchcam':
            class_attention = attention.pop(0)[:, keys].unflatten(2, features.patch_map.shape[-2:])
        if patch_cams is not None:
            patch_cams = patch_cams[:, keys].float()
        cams = fuse_cams(class_attention, patch_cams, self.test_cfg['map_type'], sqrt=self.test_cfg['fuse_sqrt'])
        return refine_with_affinity(cams, attention.pop(0)) if self.test_cfg['refine'] else cams

    def _translate_official(self, state_dict, prefix, *args):
        """Load-state-dict pre-hook: accept the released MCTformer checkpoints, and weights of the backbone alone."""
        own = unwrap_state_dict({key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)})
        if is_official_mctformer(own):
            head = own.get('head.weight')
            if self.patch_head is not None and head is not None and head.dim() == 4 and head.shape[0] != self.num_classes:
                raise ValueError(f'the checkpoint was trained on {head.shape[0]} classes, the config has {self.num_classes}: choose the '
                                 f'config of its data set')
            own = translate_official_mctformer(own)
            if self.patch_head is not None and 'patch_head.conv.weight' not in own:
                raise ValueError(f'the checkpoint is one of MCTformer V1, which has no patch head; {type(self).__name__} here needs '
                                 f'one: choose the config of V1')
        elif is_bare_vit(own):
            own = {f'backbone.{key}': value for key, value in own.items()}
        for key in [key for key in state_dict if key.startswith(prefix)]:
            del state_dict[key]
        state_dict.update({prefix + key: value for key, value in own.items()})

