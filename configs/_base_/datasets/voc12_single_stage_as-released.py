# The augmentation of ToCo and MCC as released: a second flip after the crop mirrors the image but
# not its box, and the local view is flipped independently of the image that its masks and crops are
# chosen by.
_base_ = ['voc12_single_stage.py']
flip = dict(type='mmpretrain.RandomFlip', prob=0.5)
jitter = dict(
    type='mmwsss.RandomPhotometry', jitter=(0.4, 0.4, 0.2, 0.1), jitter_prob=0.8, gray_prob=0.2
)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.MultiViews',
        base={{_base_.base_steps}},
        views=[
            [flip, dict(blur_prob=1.0, **jitter)],
            {{_base_.second_crop}},
            [flip, dict(blur_prob=0.5, **jitter)],
        ],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
