# The multi-stage chain whose settings of PSA, exponents of the labels and options of the walk, are
# chosen on the masks of train. Its network starts from PSA's classifier.
recipe = dict(
    type='multi_stage',
    initial='{resnet38}',
    label_sweep=dict(low_alpha='1,2,3,4', high_alpha='8,12,16,24'),
    mask_sweep=dict(background='0.2:0.62:0.02', beta='4,8,16', log2_steps='4,5,6,8'),
)
