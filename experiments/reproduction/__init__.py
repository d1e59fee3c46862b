"""The paper's tables: rows, finished seeds, statistics, texts."""
