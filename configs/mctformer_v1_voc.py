# MCTformer V1 on PASCAL VOC 2012: class attention alone, no patch head; published: 55.2 CAM mIoU on
# train.
_base_ = ['mctformer_v2_voc.py']
model = dict(patch_head=None, test_cfg=dict(map_type='mct'))
