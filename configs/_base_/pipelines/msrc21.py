# MSRC-21. Put the photographs, or a link to them, at data/msrc21.
data = 'data/msrc21'
dataset = dict(root='{data}', sample_split='val')
