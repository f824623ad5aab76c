"""Turn what people have into data sets: tag readers, checks, COCO and VOC sources, toy shapes."""
