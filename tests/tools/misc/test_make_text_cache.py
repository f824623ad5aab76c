"""The cache of a small random CLIP that lies in a folder."""

import json

import numpy as np
import pytest
import torch

from mmwsss.models.cams import TextCAM
from mmwsss.utils.text_embeddings import hash_prompts, read_text_embeddings
from tests.tools.program import one_line, run_tool

TOOL = 'misc/make_text_cache.py'
LETTERS = 'abcdefghijklmnopqrstuvwxyz.,'


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """Folder of a CLIP whose tokens are letters."""
    transformers = pytest.importorskip('transformers')
    folder = tmp_path_factory.mktemp('clip')
    words = [*LETTERS, *(f'{letter}</w>' for letter in LETTERS)]
    words += ['<|startoftext|>', '<|endoftext|>']
    vocabulary = {word: number for number, word in enumerate(words)}
    transformers.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    tower = dict(hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    ids = dict(bos_token_id=len(words) - 2, eos_token_id=len(words) - 1)
    config = transformers.CLIPConfig(
        text_config=dict(tower, vocab_size=len(words), max_position_embeddings=77, **ids),
        vision_config=dict(tower, image_size=32, patch_size=16),
        projection_dim=4,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def files(tmp_path):
    (tmp_path / 'classes.txt').write_text('background\ncat\npotted plant\n')
    (tmp_path / 'backgrounds.txt').write_text('sky\n\nroad\n')
    (tmp_path / 'prompts.json').write_text(json.dumps({'cat': 'cat, kitten'}))
    return tmp_path


def test_cache(clip, files):
    out = files / 'texts.npz'
    options = ['--classes', files / 'classes.txt', '--model', clip, '--out', out]
    options += ['--backgrounds', files / 'backgrounds.txt', '--prompts', files / 'prompts.json']
    result = run_tool(TOOL, *options)
    assert result.code == 0 and '2 classes and 2 backgrounds' in result.out, result
    sentences = [
        f'a clean origami {name}.' for name in ('cat, kitten', 'potted plant', 'sky', 'road')
    ]
    assert f'prompt_hash={hash_prompts(sentences)!r}' in result.out
    content = read_text_embeddings(out, ['cat', 'potted plant'])
    assert content.sentences.tolist() == sentences
    assert TextCAM(out, ['cat', 'potted plant']).texts.shape == (4, 4)

    transformers = pytest.importorskip('transformers')
    model = transformers.CLIPModel.from_pretrained(clip).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(clip)(sentences[1], return_tensors='pt')
    with torch.no_grad():
        expected = model.get_text_features(**tokens)
    expected = getattr(expected, 'pooler_output', expected)[0].numpy()
    np.testing.assert_allclose(content.embeddings[1], expected, rtol=1e-5, atol=1e-6)

    other = run_tool(TOOL, *options, '--template', 'photo of {}')
    assert other.code == 0 and hash_prompts(sentences) not in other.out


def test_bad_input(clip, files):
    def refused(text, **changes):
        options = dict(classes=files / 'classes.txt', model=clip, out=files / 'none.npz') | changes
        arguments = [part for name, value in options.items() for part in (f'--{name}', value)]
        one_line(run_tool(TOOL, *arguments), text)
        assert not (files / 'none.npz').exists()

    refused('not a CLIP of transformers', model=files)
    refused("prompt is given for 'dog'", prompts=write(files, {'dog': 'puppy'}))
    refused('bad.json: expected', prompts=write(files, ['cat']))
    refused('has no place for the name', template='a photo')
    (files / 'empty.txt').write_text('\n')
    refused('empty.txt: no name', backgrounds=files / 'empty.txt')
    refused("first class must be 'background'", classes=files / 'backgrounds.txt')


def write(folder, content):
    (folder / 'bad.json').write_text(json.dumps(content))
    return folder / 'bad.json'
