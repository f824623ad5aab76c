"""What MCC and ToCo share."""

import pytest
import torch

from mmwsss.models.algorithms import MCC, SingleStage, ToCo
from mmwsss.models.algorithms.token_contrast import TokenContrast
from tests.single_stage_models import build, pictures, samples

TAGS = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]


def test_methods_stand_beside_each_other():
    assert MCC.__bases__ == ToCo.__bases__ == (TokenContrast,)
    assert issubclass(TokenContrast, SingleStage)


@pytest.mark.parametrize('kind, option', [('ToCo', 'num_masks'), ('MCC', 'num_crops')])
def test_options_of_the_other_are_refused(kind, option):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
        build(kind, **{option: 99})


def test_loss_reads_student_and_teacher():
    """The same local tokens for both: the loss is that of the projections."""
    model = build('ToCo', num_crops=2, crop_size=24)
    views = [pictures(2) for _ in range(3)]
    seen = {}
    local_tokens = model.local_tokens

    def recorded(*arguments):
        seen['tokens'], seen['flags'] = local_tokens(*arguments)
        return seen['tokens'], seen['flags']

    model.local_tokens = recorded
    torch.nn.init.normal_(model.teacher.module.last_layer.weight)
    loss = model.loss(views, samples(TAGS))['loss_contrast']
    whole = torch.stack([model.features(view).class_tokens[:, 0] for view in views[:2]])
    positive = torch.cat([torch.ones(2, 2, dtype=torch.bool), seen['flags']], 1)
    expected = model.contrast_loss(
        model.projector(torch.cat([whole, seen['tokens']])), model.teacher(whole), positive
    )
    torch.testing.assert_close(loss, 0.5 * expected)


def test_older_checkpoints_load():
    """They count the updates of the teacher."""
    model, other = build('MCC'), build('MCC')
    state = dict(model.state_dict(), **{'teacher.steps': torch.tensor(7)})
    keys = other.load_state_dict(state)
    assert not keys.missing_keys and not keys.unexpected_keys
