# MCTformer+ with ACR's two terms: neither paper has it. The weights are those of 24 x 24 patches,
# scaled to 28 x 28 (125 -> 170).
_base_ = ['../mctformer_plus_voc.py']
model = dict(
    consistency=dict(
        activation_weight=125.0, affinity_weight=125.0, view='hflip', reference_patches=576
    )
)
