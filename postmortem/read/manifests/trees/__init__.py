"""Data sets that are folders of files rather than tables: what names, sizes and small members of archives tell of them."""
