"""Log lines that are held back until everything is built."""

import logging
import os

GROUP_LINE = 'paramwise_options -- '


class HeldLog(logging.Filter):
    """Holds back the messages of a logger, so that the error of an invalid config is one line and
    does not follow the hundreds that list environment, config and hooks. Warnings pass.

    Lines about single parameters, a hundred for DeiT-S, are replaced by one with their number. With
    ``MMWSSS_DEBUG=1`` all messages pass.

    Args:
        logger (logging.Logger): Logger whose messages are held back until :meth:`release`.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.logger = logger
        self.records: list[logging.LogRecord] = []
        for other in [entry for entry in logger.filters if isinstance(entry, HeldLog)]:
            logger.removeFilter(other)  # filter of a run that was never built
        if os.environ.get('MMWSSS_DEBUG') != '1':
            logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record passes."""
        if record.levelno >= logging.WARNING:
            return True
        self.records.append(record)
        return False

    def release(self) -> None:
        """Emit the held messages in order; further lines pass."""
        self.logger.removeFilter(self)
        records, self.records = self.records, []
        groups = [record for record in records if record.getMessage().startswith(GROUP_LINE)]
        for record in records:
            if record in groups[1:]:
                continue
            if record in groups:
                record.msg, record.args = (
                    f'{len(groups)} settings of single parameters (MMWSSS_DEBUG=1 lists them)',
                    None,
                )
            self.logger.handle(record)
