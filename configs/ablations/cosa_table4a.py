# CoSA, Figure 1 and Table 4 (a): what guides the class maps, and what the guidance trains. The row
# of the ground truth is an oracle, which trains with masks, and says so in its log and results.
# Figure 1 shows the first row, SPL, none and noise in training of 2,000 + 2,000 steps; its values
# are a picture. Detaching the features gives 73.36 in the text, the table is not readable there.
grid = dict(
    title='CoSA, Figure 1 and Table 4 (a): guidance of the class maps',
    source='CoSA (ECCV 2024), Table 4 (a); detached features: section 4.2',
    base='{configs}/cosa-paper_voc.py',
    tests=[
        dict(name=split, args=['--protocol', f'cosa-voc-{split}-cam']) for split in ('train', 'val')
    ],
    columns=dict(
        train=dict(title='maps, train', test='train', key='cam/mIoU'),
        val=dict(title='maps, val', test='val', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name='ground truth (oracle, not weakly supervised)',
            base='{configs}/ablations/cosa_oracle_voc.py',
            published=dict(train=83.99, val=80.16),
        ),
        dict(
            name='none',
            options={'model.loss_weights.cam': 0.0},
            published=dict(train=72.28, val=71.38),
        ),
        dict(
            name='segmentation, features detached',
            options={'model.detach': 'feat'},
            published=dict(train=74.19, val=73.36),
        ),
        dict(
            name='segmentation, classifier detached',
            options={'model.detach': 'cls'},
            published=dict(train=78.05, val=76.15),
        ),
        dict(name='segmentation', published=dict(train=78.54, val=76.37)),
        dict(name='noise', options={'model.guidance': 'noise'}),
    ],
)
