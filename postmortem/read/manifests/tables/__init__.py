"""Tables of records: CSV, TSV, JSON lines and Parquet, counted in SQL."""
