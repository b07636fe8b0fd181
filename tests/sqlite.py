"""States in SQLite files, each a copy of one whose tables are made."""

from __future__ import annotations

import shutil
from pathlib import Path

from fleet.store.database import Store


class Pattern:
    """A state with tables and nothing in them. To migrate one takes longer than most tests do."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def opened(self, path: Path) -> Store:
        """A new state at `path`, as `Store.open` makes it."""
        if not self._file.exists():
            await (await Store.open(self._file)).aclose()
        shutil.copy(self._file, path)
        return await Store.open(path)
