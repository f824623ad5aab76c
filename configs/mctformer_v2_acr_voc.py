# MCTformer V2 with ACR's two terms on all its class tokens and patches (Table 6: 60.4 / 62.4 CAM
# mIoU with its class attention / refined). Not in the released code. The weights are those of 24 x
# 24 patches, scaled to the 14 x 14 of MCTformer (125 -> 42.5): OUR INFERENCE.
_base_ = ['mctformer_v2_voc.py']
model = dict(
    consistency=dict(
        activation_weight=125.0, affinity_weight=125.0, view='hflip', reference_patches=576
    )
)
