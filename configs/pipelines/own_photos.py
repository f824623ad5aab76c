# Your own photos and tags to a segmentation network, without any mask: MCTformer+ on a frozen
# ImageNet trunk -> maps -> background threshold -> PAR -> DeepLab -> predictions, on a CPU.
# tools/photos.py makes the folder of the data and sets the values; docs/user_guides/own_photos.md.
title = 'Own photos'
data = 'data/my_photos'
num_classes = 20  # without background
batch_size = 16  # of the classifier; at most the number of photos
epochs = 6  # of the classifier
iterations = 800  # of the segmentation network
threshold = 'suggested'  # of the background in [0,1]; suggested: from the maps
train_list = ''  # of the photos to learn from, such as train.txt; empty: all
dataset = dict(root='{data}')
recipe = dict(
    type='own_photos',
    classifier='mctformer_plus_tags_cpu',
    segmentor='deeplabv3plus_lite0_photos_pseudo',
    num_classes='{num_classes}',
    batch_size='{batch_size}',
    epochs='{epochs}',
    iterations='{iterations}',
    threshold='{threshold}',
    train_list='{train_list}',
)
