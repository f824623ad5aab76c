"""Look-up of the CAM file and the image of each id."""

from pathlib import Path

from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, list_image_ids
from mmwsss.utils.io import read_id_list

HINT = 'Write them with tools/generate_cams.py'


def find_cam_files(
    cams: Path, images: Path, list_file: Path | None = None
) -> tuple[list[str], list[str], list[str]]:
    """Ids, CAM files ``<id>.npz`` and images; all missing files are reported at once.

    Args:
        cams (Path): Folder of the CAM files.
        images (Path): Folder of the images.
        list_file (Path, optional): List of ids. Default: all CAM files.

    Raises:
        FileNotFoundError: The folder, CAM files or images do not exist. The message names up to 20
            of them.
    """
    if not cams.is_dir():
        raise FileNotFoundError(
            f'{cams}: folder of CAM files not found; write it with tools/generate_cams.py'
        )
    if list_file:
        ids = read_id_list(list_file)
    else:
        ids = list_image_ids(cams, ('.npz',), what='CAM file <id>.npz', hint=HINT)
    files = find_files(cams, ids, ('.npz',), what='CAM file', hint=HINT)
    return ids, files, find_files(images, ids, IMAGE_SUFFIXES, what='image')
