"""Root causes, one file each: evidence for and against, a fix, and the cheapest experiment."""
