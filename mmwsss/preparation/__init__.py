"""Creation of data sets from existing data: tag readers, checks, COCO and VOC sources, toy
shapes.
"""
