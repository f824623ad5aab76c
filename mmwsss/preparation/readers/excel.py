"""Excel workbooks: the first sheet, with the layouts of a CSV."""

import zipfile
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.limits import MIB, limit

from .base import ReadOptions, TagReader, TagSource
from .csv_table import Rows, read_rows

SIGNATURE = b'PK\x03\x04'
SHEETS = 'xl/worksheets/'


class ExcelReader(TagReader):
    """``.xlsx``; needs the package openpyxl (the extra ``excel``)."""

    kind = 'Excel workbook'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`."""
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith(SHEETS) for name in archive.namelist())

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        try:
            import openpyxl
        except ImportError as error:
            raise ValueError(
                f'{path}: Excel workbooks need openpyxl: pip install openpyxl, or save the table '
                f'as CSV (UTF-8)'
            ) from error
        _check_parts(path)
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            rows: Rows = []
            for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                rows.append((number, ['' if value is None else str(value) for value in row]))
            book.close()
        except (KeyError, IndexError, TypeError, ValueError, SyntaxError, OSError) as error:
            raise ValueError(f'{path}: not a workbook that can be read ({error})') from error
        if len(book.worksheets) > 1:
            report.note('sheets that are not read', path, ', '.join(book.sheetnames[1:]))
        # trailing cells that are formatted but empty
        width = max((len(_without_tail(row)) for _, row in rows), default=0)
        read = read_rows(path, [(number, row[:width]) for number, row in rows], report, options)
        return read._replace(kind=self.kind)


def _without_tail(row: list[str]) -> list[str]:
    while row and not row[-1].strip():
        row = row[:-1]
    return row


def _check_parts(path: Path) -> None:
    """Reject an archive that exceeds the size limit of tables when unpacked, or defines
    entities.
    """
    most = limit('MMWSSS_MAX_TEXT_MB') * MIB
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
        if total > most:
            raise ValueError(
                f'{path}: unpacks to {total / MIB:.0f} MiB, more than the {most / MIB:.0f} MiB '
                f'that are read; if it is the right file set MMWSSS_MAX_TEXT_MB={-(-total // MIB)}'
            )
        for entry in archive.infolist():
            if entry.filename.endswith('.xml') and b'<!DOCTYPE' in archive.read(entry):
                raise ValueError(f'{path}: {entry.filename} has a document type: save it again')
