"""Scores of class tokens."""

import pytest
import torch

from mmwsss.models.heads import ClassTokenHead
from tests.mctformer_golden import close, golden


def test_released_scores():
    data = golden('mctformer_plus_model')
    for size in ('sq64', 'h70w90'):
        close(
            ClassTokenHead()(torch.from_numpy(data[f'{size}/class_embeddings'][-1])),
            data[f'{size}/x_cls_logits'],
        )


def test_mean_and_max_have_no_parameters():
    tokens = torch.randn(2, 3, 7)
    for pooling, expected in (('mean', tokens.mean(2)), ('max', tokens.max(2).values)):
        head = ClassTokenHead(pooling)
        torch.testing.assert_close(head(tokens), expected)
        assert not list(head.parameters())


def test_linear_reads_each_token_with_its_own_weights():
    head = ClassTokenHead('linear', num_classes=3, embed_dims=7)
    torch.nn.init.normal_(head.bias)
    tokens = torch.randn(2, 3, 7)
    for c in range(3):
        torch.testing.assert_close(head(tokens)[:, c], tokens[:, c] @ head.weight[c] + head.bias[c])


def test_wrong_options():
    with pytest.raises(ValueError, match="'sum'"):
        ClassTokenHead('sum')
    with pytest.raises(ValueError, match='num_classes and embed_dims'):
        ClassTokenHead('linear', num_classes=3)
