"""Small affinity networks and Segment Anything models with random weights."""

import pytest
import torch

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS

OPTIONS = dict(
    AffinityNet=dict(out_indices=(2, 3, 4), embed_channels=(4, 6, 8)), IRNet=dict(edge_channels=8)
)


def affinity_network(name):
    """``AffinityNet`` or ``IRNet`` on a tiny trunk, in evaluation mode."""
    trunk = dict(
        type='mmwsss.PyramidResNet',
        depth=18,
        base_channels=4,
        stem_channels=4,
        frozen_stages=-1,
    )
    return MODELS.build(
        dict(
            type=f'mmwsss.{name}',
            backbone=trunk,
            data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
            **OPTIONS[name],
        )
    ).eval()


def normalised(network, image):
    """Image (3,H,W) RGB as the network sees it."""
    preprocessor = network.data_preprocessor
    return (image - preprocessor.mean) / preprocessor.std


SAMS = ('sam', 'sam2', 'sam3_tracker')
SIDE = 64  # of the images that the networks see


def save_sam(folder, name):
    """Folder with a small network of transformers and its processor."""
    transformers = pytest.importorskip('transformers')
    decoder = dict(hidden_size=32, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2)
    decoder['iou_head_hidden_dim'] = 16
    prompts = dict(hidden_size=32, image_size=SIDE, mask_input_channels=4)
    size = dict(height=SIDE, width=SIDE)
    if name == 'sam':
        tower = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_dim=16)
        config = transformers.SamConfig(
            vision_config=dict(
                tower,
                image_size=SIDE,
                patch_size=16,
                output_channels=32,
                num_pos_feats=16,
                window_size=0,
                global_attn_indexes=[0],
            ),
            prompt_encoder_config=dict(prompts, patch_size=16, image_embedding_size=SIDE // 16),
            mask_decoder_config=dict(decoder, iou_head_depth=2),
        )
        processor = transformers.SamProcessor(
            transformers.SamImageProcessor(size=dict(longest_edge=SIDE), pad_size=size)
        )
        model = transformers.SamModel(config)
    elif name == 'sam2':
        config = transformers.Sam2Config(
            vision_config=dict(
                backbone_config=dict(
                    model_type='sam2_hiera_det_model',
                    hidden_size=8,
                    image_size=[SIDE, SIDE],
                    blocks_per_stage=[1, 1, 1, 1],
                    embed_dim_per_stage=[8, 16, 24, 32],
                    num_attention_heads_per_stage=[1, 2, 2, 2],
                    window_size_per_stage=[4, 2, 2, 2],
                    global_attention_blocks=[4],
                ),
                backbone_channel_list=[32, 24, 16, 8],
                backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
                fpn_hidden_size=32,
            ),
            prompt_encoder_config=dict(prompts, patch_size=16),
            mask_decoder_config=decoder,
        )
        processor = transformers.Sam2Processor(transformers.Sam2ImageProcessor(size=size))
        model = transformers.Sam2Model(config)
    else:
        config = transformers.Sam3TrackerConfig(
            vision_config=dict(
                model_type='sam3_vision_model',
                backbone_config=dict(
                    model_type='sam3_vit_model',
                    hidden_size=32,
                    intermediate_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    image_size=SIDE,
                    pretrain_image_size=SIDE,
                    patch_size=16,
                    window_size=4,
                    global_attn_indexes=[0],
                ),
                fpn_hidden_size=32,
                backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            ),
            prompt_encoder_config=dict(prompts, patch_size=16),
            mask_decoder_config=decoder,
        )
        processor = transformers.Sam3TrackerProcessor(transformers.Sam3ImageProcessor(size=size))
        model = transformers.Sam3TrackerModel(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)
