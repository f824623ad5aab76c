"""Prompts become embeddings; a stand-in for CLIP shows which sentences are asked for."""

from types import SimpleNamespace

import pytest
import torch

from mmwsss.preparation.text_prompts import BACKGROUNDS, write_prompts
from mmwsss.utils.text_embeddings import read_text_embeddings


class Clip:
    """The parts of ``transformers.CLIPModel`` that are used; an embedding is the text's length."""

    text_projection = torch.nn.Identity()
    visual_projection = torch.nn.Linear(6, 2, bias=False)
    logit_scale = torch.tensor(2.0)

    @staticmethod
    def text_model(lengths):
        return SimpleNamespace(pooler_output=torch.stack([lengths, lengths], 1))


def make(path, sentences, **options):
    def tokenizer(texts, **_):
        sentences.extend(texts)
        return dict(lengths=torch.tensor([float(len(text)) for text in texts]))

    write_prompts(path, Clip(), tokenizer, ['cat', 'person'], **options)


def test_sentences_and_file(tmp_path):
    sentences = []
    make(
        tmp_path / 'a.npz',
        sentences,
        backgrounds=['sky'],
        prompts=dict(person='person with clothes'),
        template='a {}.',
    )
    assert sentences == ['a cat.', 'a person with clothes.', 'a sky.']
    content = read_text_embeddings(tmp_path / 'a.npz', ['cat', 'person'])
    assert content.embeddings[:, 0].tolist() == [6, 22, 6]
    assert content.projection.shape == (6, 2)
    assert float(content.scale) == pytest.approx(7.389056)


def test_defaults_and_bad_options(tmp_path):
    sentences = []
    make(tmp_path / 'a.npz', sentences)
    assert len(sentences) == 2 + len(BACKGROUNDS)
    with pytest.raises(ValueError, match="a prompt is given for 'dog'"):
        make(tmp_path / 'b.npz', [], prompts=dict(dog='a dog'))
    with pytest.raises(ValueError, match='has no place for the name'):
        make(tmp_path / 'b.npz', [], template='a cat')
    assert not (tmp_path / 'b.npz').exists()
