# own_photos.py from random weights, for machines without the package of ImageNet weights: maps and
# masks are far worse (mIoU of the maps on MSRC-21: 31.8 in place of 54.8).
_base_ = 'own_photos.py'
epochs = 60
recipe = dict(classifier='mctformer_plus_tags_small', segmentor='deeplabv3plus_small_photos_pseudo')
