# The toy shapes, which a stage of the pipeline draws.
data = 'data/toy_shapes'
dataset = dict(root='{data}', sample_split='test')
